"""One check: what should be held, what every holder holds, and the verdict."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from instrument_registry.errors import RegistryUnavailable
from instrument_registry.sync.comparison import HolderReport, HolderState
from instrument_registry.sync.focus_file import focus_file
from instrument_registry.sync.holders import (
    Holder,
    focus_registry,
    published_table,
    registry_snapshot,
)
from instrument_registry.sync.reference import Reference, newest_number, read_reference
from instrument_registry.sync.settings import MonitorSettings
from instrument_registry.sync.token_lookup_file import token_lookup

HOLDERS: Final[Mapping[str, Holder]] = {
    "focus_registry": focus_registry,
    "published_table": published_table,
    "focus_file": focus_file,
    "token_lookup": token_lookup,
    "registry_snapshot": registry_snapshot,
}
# What the warehouse calls them in `ops.exports`.
_DESTINATIONS: Final = {
    "focus_file": "focus_instruments",
    "token_lookup": "token_lookup",
    "registry_snapshot": "registry_snapshot",
}
_TRIES: Final = 3
_log = logging.getLogger("instrument_registry")


class Verdict(StrEnum):
    """What a check found."""

    IN_STEP = "in_step"
    TROUBLE = "trouble"
    NO_SOURCE = "no_source"
    """No publication could be read: nothing was compared."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a check found, in full.

    Attributes:
        verdict: in step only if something was expected and every holder holds just that.
        started_at, finished_at: when it ran.
        reference: what should be held; None without a source.
        holders: one report each, in the order of `HOLDERS`.
        problems: what is wrong, a sentence each; empty if in step.
        alert: what became of telling somebody; None if there was nothing to tell.
    """

    verdict: Verdict
    started_at: datetime
    finished_at: datetime
    reference: Reference | None = None
    holders: tuple[HolderReport, ...] = ()
    problems: tuple[str, ...] = ()
    alert: Mapping[str, Any] | None = None

    @property
    def sync_needed(self) -> bool:
        """Whether anything is not as published, or cannot be said to be."""
        return self.verdict is not Verdict.IN_STEP

    @property
    def publication_id(self) -> int | None:
        """The number of the publication that was compared with."""
        return None if self.reference is None else self.reference.publication.number

    def facts(self, samples: int) -> dict[str, Any]:
        """Plain values, with at most so many samples of each kind of difference."""
        return {
            "sync_needed": self.sync_needed,
            "verdict": self.verdict.value,
            "timestamp": self.finished_at.isoformat(),
            "started_at": self.started_at.isoformat(),
            "publication": _publication_facts(self.reference),
            "focus": _focus_facts(self.reference),
            "holders": {report.name: report.facts(samples) for report in self.holders},
            "problems": list(self.problems),
            "alert": None if self.alert is None else dict(self.alert),
        }


def check(settings: MonitorSettings, holders: Sequence[str], now: Callable[[], datetime]) -> Status:
    """Compare what every holder holds with what the last publication says.

    A publication that arrives while it is compared is not trouble: it is compared again.

    Args:
        settings: where everything is.
        holders: which, of `HOLDERS`.
        now: the clock.
    """
    started_at = now()
    for attempt in range(1, _TRIES + 1):
        try:
            reference = read_reference(settings)
        except RegistryUnavailable as error:
            return Status(Verdict.NO_SOURCE, started_at, now(), problems=(str(error),))
        reports = tuple(HOLDERS[name](reference, settings, now()) for name in holders)
        newest = newest_number(reference, settings)
        if newest is None or newest == reference.publication.number:
            break
        _log.info("registry_check_repeated attempt=%s publication=%s", attempt, newest)
    wrong = [one for one in reports if one.state is not HolderState.IN_STEP]
    problems = (
        *_of_nothing(reference),
        *(f"{_told(one)}{_why_pending(one, reference)}" for one in wrong),
    )
    verdict = Verdict.TROUBLE if problems else Verdict.IN_STEP
    return Status(verdict, started_at, now(), reference, reports, problems)


def with_alert(status: Status, alert: Mapping[str, Any] | None) -> Status:
    """The same, and what became of telling somebody."""
    return replace(status, alert=alert)


def _of_nothing(reference: Reference) -> tuple[str, ...]:
    """That nothing is expected is no agreement, however much the holders agree on it."""
    told = reference.publication
    return tuple(
        f"publication {told.number} lists no future or option on {one.underlying} at "
        f"{one.exchange} from {told.as_of_date} on: nothing of it can be in the focus set"
        for one in reference.focus.chosen
        if not one.contracts
    )


def _why_pending(report: HolderReport, reference: Reference) -> str:
    """That a publication is on its way explains a difference; it is one all the same."""
    if _DESTINATIONS.get(report.name) not in reference.pending:
        return ""
    return "; its export is pending: a sync is under way, or left it to the next export"


def _told(report: HolderReport) -> str:
    if report.failure is not None:
        return f"{report.name} is {report.failure.value}: {report.reason}"
    found = report.differences
    counts = [
        f"{len(group)} {kind}"
        for kind, group in (
            ("missing", found.missing), ("surplus", found.surplus), ("stale", found.stale),
        )
        if group
    ]  # fmt: skip
    told = [f"of {report.expected} {report.unit}: {', '.join(counts)}"] if counts else []
    return f"{report.name}: {'; '.join([*told, *filter(None, [report.outdated])])}"


def _publication_facts(reference: Reference | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    told = reference.publication
    return {
        "number": told.number,
        "as_of_date": None if told.as_of_date is None else told.as_of_date.isoformat(),
        "published_at": None if told.published_at is None else told.published_at.isoformat(),
        "source": told.source,
    }


def _focus_facts(reference: Reference | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    return {
        "contracts": len(reference.focus.ids),
        "listings": sum(map(len, reference.listings.values())),
        "underlyings": [
            {
                "underlying": one.underlying,
                "exchange": one.exchange,
                "contracts": one.contracts,
                "money": None if one.money is None else f"{one.money.normalize():f}",
                "money_source": one.money_source or None,
            }
            for one in reference.focus.chosen
        ],
    }
