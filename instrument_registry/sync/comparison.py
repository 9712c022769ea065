"""What a holder lacks, has too much of, or holds with other values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from instrument_registry.records import Publication
from instrument_registry.sync.focus_rows import FocusRow, Listings

_FIELDS: Final = ("symbol", "token", "lot_size", "tick_size", "strike")


class HolderState(StrEnum):
    """What can be said of a holder."""

    IN_STEP = "in_step"
    OUT_OF_STEP = "out_of_step"
    ABSENT = "absent"
    """It does not exist."""
    UNREADABLE = "unreadable"
    """It exists, or should, and cannot be read."""


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One thing that is not as published.

    Attributes:
        key: the canonical id, the symbol, or the member of the file.
        broker: whose listing; empty where it is nobody's.
        told: what was seen, and what was published.
    """

    key: str
    broker: str
    told: str

    def __str__(self) -> str:
        told = f" {self.told}" if self.told else ""
        return f"{self.key} ({self.broker}){told}" if self.broker else f"{self.key}{told}"


@dataclass(frozen=True, slots=True)
class Differences:
    """All of them, in order.

    Attributes:
        missing: published, and not held.
        surplus: held, and not published.
        stale: held with other values than those published.
    """

    missing: tuple[Difference, ...] = ()
    surplus: tuple[Difference, ...] = ()
    stale: tuple[Difference, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.stale)


@dataclass(frozen=True, slots=True)
class HolderReport:
    """What became of one holder.

    Attributes:
        name: which.
        where: a path, a table, or whose registry it is.
        unit: what is counted: `listings`, `symbols`, `contracts`.
        expected: how many it should hold.
        held: how many it holds.
        differences: one by one.
        publication: the number of the publication that it shows; None if it does not say.
        as_of_date: its day; None if it does not say.
        outdated: why that is not the last publication; empty if it is.
        failure: `absent` or `unreadable`; None if it was read.
        reason: why it is that.
    """

    name: str
    where: str
    unit: str
    expected: int
    held: int = 0
    differences: Differences = Differences()
    publication: int | None = None
    as_of_date: date | None = None
    outdated: str = ""
    failure: HolderState | None = None
    reason: str = ""

    @property
    def state(self) -> HolderState:
        """The verdict on this holder: never in step unless it was read and is the same."""
        if self.failure is not None:
            return self.failure
        if self.differences or self.outdated:
            return HolderState.OUT_OF_STEP
        return HolderState.IN_STEP

    def counts(self) -> dict[str, Any]:
        """What the history keeps."""
        return {
            "state": self.state.value,
            "expected": self.expected,
            "held": self.held,
            "missing": len(self.differences.missing),
            "surplus": len(self.differences.surplus),
            "stale": len(self.differences.stale),
            "outdated": bool(self.outdated),
        }

    def facts(self, samples: int) -> dict[str, Any]:
        """Everything as plain values, with at most so many samples of each kind."""
        shown = {
            kind: [str(one) for one in getattr(self.differences, kind)[:samples]]
            for kind in ("missing", "surplus", "stale")
        }
        return self.counts() | {
            "where": self.where,
            "unit": self.unit,
            "publication": self.publication,
            "as_of_date": None if self.as_of_date is None else self.as_of_date.isoformat(),
            "why_outdated": self.outdated or None,
            "reason": self.reason or None,
            "samples": shown,
        }


def compare(expected: Listings, held: Listings) -> Differences:
    """Rows against rows.

    Of a contract that was published under several rows, a holder may hold any.
    """
    return Differences(
        missing=_listed(expected[key] for key in expected.keys() - held.keys()),
        surplus=_listed(held[key] for key in held.keys() - expected.keys()),
        stale=tuple(
            sorted(
                _changed(row, expected[key][0])
                for key in expected.keys() & held.keys()
                for row in held[key]
                if row not in expected[key]
            )
        ),
    )


def _listed(groups: Iterable[tuple[FocusRow, ...]]) -> tuple[Difference, ...]:
    return tuple(
        sorted(
            Difference(rows[0].canonical_id, rows[0].broker, f"{rows[0].symbol} {rows[0].token}")
            for rows in groups
        )
    )


def _changed(held: FocusRow, published: FocusRow) -> Difference:
    told = ", ".join(
        f"{name} {getattr(held, name)} (published {getattr(published, name)})"
        for name in _FIELDS
        if getattr(held, name) != getattr(published, name)
    )
    return Difference(held.canonical_id, held.broker, told)


def why_outdated(held: Publication, last: Publication) -> str:
    """Why what a holder shows is not the last publication; empty if it is."""
    is_same = (held.number, held.as_of_date) == (last.number, last.as_of_date)
    return "" if is_same else f"it shows {named(held)}; the last is {named(last)}"


def named(publication: Publication) -> str:
    """`publication 7 of 2026-08-17`."""
    day = publication.as_of_date
    return f"publication {publication.number} of {'no known day' if day is None else day}"


def counts_by_holder(reports: Iterable[HolderReport]) -> Mapping[str, dict[str, Any]]:
    """What the history keeps, by holder."""
    return {report.name: report.counts() for report in reports}
