"""One shape for every destination: plan, apply, verify.

A destination says by `plan` what separates it from the publication, `apply` makes it so, and
`verify` reads back and compares. A dry run stops after the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from exporters.errors import VerificationError

Status = Literal["planned", "unchanged", "complete"]

SAMPLE_LINES = 5
"""How many readable lines of each kind of change a plan shows."""

_NO_SAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between what a destination holds and what it should hold.

    Attributes:
        added: Entries that the destination lacks.
        changed: Entries that it holds with another value.
        removed: Entries that it holds and that left the publication.
        samples: A few readable lines under 'added', 'changed' and 'removed'.
        payload: What `apply` needs; nobody else's business.
        note: One line for the summary, such as why everything is written anew.
        upkeep: Writes that change no entry but have to be made, such as a marker.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    samples: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_SAMPLES)
    payload: object = None
    note: str = ""
    upkeep: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.added or self.changed or self.removed or self.upkeep)


class Destination(Protocol):
    """Something that should show the publication."""

    @property
    def name(self) -> str:
        """The name in `ops.exports`: 'redis', 'dotenv', 'token_lookup', ..."""

    def plan(self) -> Plan:
        """Compare what the destination really holds, not a memory of it, with the publication."""

    def apply(self, plan: Plan) -> None:
        """Write the difference; cut off anywhere, the next plan and apply finish it.

        Raises:
            DestinationUnavailable: It cannot be written now.
            DestinationRefused: It holds something that is not ours to overwrite.
        """

    def verify(self) -> None:
        """Read back and compare.

        Raises:
            VerificationError: It differs, with counts and samples.
        """


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an export did.

    Attributes:
        destination: The destination's name.
        status: 'planned' (a dry run), 'unchanged' (nothing to write) or 'complete'.
        plan: The difference that was found, and written unless the status is 'planned'.
        seconds: How long it took.
    """

    destination: str
    status: Status
    plan: Plan
    seconds: float


def export(
    destination: Destination,
    *,
    dry_run: bool = False,
    stopwatch: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Bring a destination to the publication and read it back.

    An empty plan writes nothing, and is not followed by `verify`: it has just read the
    destination and found it right.

    Args:
        destination: What to bring up to date.
        dry_run: Stop after the plan; nothing is written.
        stopwatch: A monotonic count of seconds, for `Outcome.seconds`.

    Raises:
        ExportError: As raised by the destination.
    """
    started = stopwatch()
    plan = destination.plan()
    status: Status = "planned"
    if not dry_run:
        status = "unchanged"
        if not plan.is_empty:
            destination.apply(plan)
            destination.verify()
            status = "complete"
    return Outcome(destination.name, status, plan, stopwatch() - started)


class InMemoryDestination:
    """A destination that is a dictionary: for tests, and for trying out what calls `export`.

    Args:
        wanted: What the publication holds, by key.
        held: What the destination holds at first.
        name: Its name.
    """

    def __init__(
        self,
        wanted: Mapping[str, str],
        held: Mapping[str, str] | None = None,
        *,
        name: str = "memory",
    ) -> None:
        self.name = name
        self.wanted = dict(wanted)
        self.held = dict(held or {})

    def plan(self) -> Plan:
        """Compare key by key."""
        return difference(self.held, self.wanted)

    def apply(self, plan: Plan) -> None:  # noqa: ARG002  # the dictionaries hold all there is
        """Hold what is wanted."""
        self.held = dict(self.wanted)

    def verify(self) -> None:
        """Compare again.

        Raises:
            VerificationError: What is held is not what is wanted.
        """
        plan = self.plan()
        if not plan.is_empty:
            raise VerificationError(
                f"{self.name} lacks {plan.added}, holds {plan.changed} wrongly and "
                f"{plan.removed} too many: {dict(plan.samples)}",
                expected=f"{len(self.wanted)} entries as published",
            )


def difference(held: Mapping[str, object], wanted: Mapping[str, object]) -> Plan:
    """The plan that turns what is held into what is wanted, key by key, without a payload."""
    added = [key for key in wanted if key not in held]
    changed = [key for key in wanted if key in held and held[key] != wanted[key]]
    removed = [key for key in held if key not in wanted]
    samples = {
        "added": _lines(f"{key}: {wanted[key]}" for key in added[:SAMPLE_LINES]),
        "changed": _lines(f"{key}: {held[key]} -> {wanted[key]}" for key in changed[:SAMPLE_LINES]),
        "removed": _lines(f"{key}: {held[key]}" for key in removed[:SAMPLE_LINES]),
    }
    return Plan(
        added=len(added),
        changed=len(changed),
        removed=len(removed),
        samples={kind: lines for kind, lines in samples.items() if lines},
    )


def _lines(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(lines)
