from __future__ import annotations

import pytest

from exporters.destination import InMemoryDestination, Plan, difference, export
from exporters.errors import (
    DestinationRefused,
    DestinationUnavailable,
    ExportError,
    VerificationError,
)

WANTED = {"1": "a", "2": "b", "3": "c"}
HELD = {"2": "b", "3": "x", "4": "d"}


def ticks() -> float:
    return next(_TICKS)


_TICKS = iter(range(1000))


def test_plan_tells_what_is_added_changed_and_removed() -> None:
    plan = InMemoryDestination(WANTED, HELD).plan()
    assert plan == Plan(
        added=1, changed=1, removed=1,
        samples={"added": ("1: a",), "changed": ("3: x -> c",), "removed": ("4: d",)},
    )  # fmt: skip


def test_samples_stay_few() -> None:
    plan = difference({}, {str(number): "x" for number in range(100)})
    assert (plan.added, len(plan.samples["added"])) == (100, 5)


def test_dry_run_stops_after_the_plan() -> None:
    destination = InMemoryDestination(WANTED, HELD)
    outcome = export(destination, dry_run=True)
    assert (outcome.status, outcome.plan.added, destination.held) == ("planned", 1, HELD)


def test_export_makes_it_so_and_the_second_finds_nothing_to_do() -> None:
    destination = InMemoryDestination(WANTED, HELD, name="here")
    outcome = export(destination, stopwatch=ticks)
    assert (outcome.destination, outcome.status, outcome.seconds) == ("here", "complete", 1)
    assert destination.held == WANTED
    assert export(destination).status == "unchanged"


def test_upkeep_alone_is_applied() -> None:
    class Marked(InMemoryDestination):
        applied = 0

        def plan(self) -> Plan:
            return Plan(upkeep=1)

        def apply(self, plan: Plan) -> None:
            self.applied += plan.upkeep

        def verify(self) -> None:
            assert self.applied == 1

    assert export(Marked({})).status == "complete"


def test_destination_that_loses_what_is_written_fails_verification() -> None:
    class Leaking(InMemoryDestination):
        def apply(self, plan: Plan) -> None:  # noqa: ARG002  # it drops one whatever the plan
            self.held = dict(list(self.wanted.items())[1:])

    with pytest.raises(VerificationError, match="lacks 1, holds 0 wrongly and 0 too many"):
        export(Leaking(WANTED, HELD))


def test_errors_read_as_one_paragraph_and_say_whether_to_retry() -> None:
    error = DestinationRefused(
        "it holds 3", expected="4", consumers="They see 3", remedy="Look at it!"
    )
    assert str(error) == "it holds 3. Expected: 4. They see 3. Look at it!"
    assert not error.is_transient
    assert DestinationUnavailable("gone").is_transient
    assert all(
        issubclass(kind, ExportError)
        for kind in (DestinationRefused, DestinationUnavailable, VerificationError)
    )
