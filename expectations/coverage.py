"""How far the brokers cover the market and agree: what the report and `coverage` show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

from expectations.changes import Change

SAMPLES: Final = 5
# Rows that are published, in the order in which they are shown: `reference` is Kite's, whom the
# others are matched with.
PUBLISHED: Final = ("reference", "matched", "matched_terms_only", "token_conflict", "unmatched")
# Rows that are not, and need no mending.
LEFT_OUT: Final = ("excluded", "repeated")
REJECTED: Final = "rejected"
# Published rows that are an instrument which an earlier feed lists too.
MATCHED: Final = ("matched", "matched_terms_only")
# Terms in which the rows of one instrument may differ; the others say which one it is.
TERMS: Final = ("lot_size", "tick_size_inr")


@dataclass(frozen=True, slots=True)
class FeedDay:
    """Of which day a feed's rows are.

    Attributes:
        as_of_date: the trading day of its dump; None where no dump was ever had.
        is_stale: whether an older dump stands in for today's.
    """

    as_of_date: date | None
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows of one broker, exchange and kind that share a status, for one reason.

    Attributes:
        exchange: Kite's word for it; what the row says where it was rejected.
        kind: index, cash, future, option; empty for rows that were left out or rejected.
        status: one of `PUBLISHED` and `LEFT_OUT`, or `REJECTED`.
        reason: why it is not simply matched, or why it was left out; may be empty.
        rows: how many.
        samples: symbols of the first of them.
    """

    exchange: str
    kind: str
    status: str
    reason: str
    rows: int
    samples: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The line as JSON values."""
        return asdict(self) | {"samples": list(self.samples)}


@dataclass(frozen=True, slots=True)
class BrokerCoverage:
    """One broker: what of it is published, as what, and what is not.

    Attributes:
        broker: the feed's name.
        day: of which day its rows are.
        counted: every row that landed, by exchange, kind, status and reason.
        disagreements: rows whose terms differ from an earlier feed's, by what differs.
        disagreement_samples: the first of them, column to text; subscribed ones first.
        changes: what its own rows changed since the last publication; the report's alone.
        matched_before: of the publication before, the matched part of its rows by exchange, and
            of all of them under an empty name; empty where it is not known.
    """

    broker: str
    day: FeedDay = field(default_factory=lambda: FeedDay(None))
    counted: tuple[Counted, ...] = ()
    disagreements: Mapping[str, int] = field(default_factory=dict)
    disagreement_samples: tuple[Mapping[str, str], ...] = ()
    changes: tuple[Change, ...] = ()
    matched_before: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The broker's name in sentences."""
        return self.broker.replace("_", " ").title()

    @property
    def rows(self) -> int:
        """Rows that are published, or would be."""
        return self._count(PUBLISHED)

    @property
    def left_out(self) -> int:
        """Rows that are not published, on purpose."""
        return self._count(LEFT_OUT)

    @property
    def rejected(self) -> int:
        """Rows that did not type."""
        return self._count((REJECTED,))

    @property
    def differing(self) -> int:
        """Another lot, tick or day than an earlier feed's; other conflicts are counted as such."""
        told = ("lot_size", "tick_size_inr", "expiry_date")
        return sum(self.disagreements.get(what, 0) for what in told)

    @property
    def by_status(self) -> dict[str, int]:
        """Published rows by status; every status is there."""
        return {status: self._count((status,)) for status in PUBLISHED}

    @property
    def by_exchange(self) -> dict[str, dict[str, int]]:
        """Published rows by exchange, largest first, and by status; every status is there."""
        found: dict[str, dict[str, int]] = {}
        for each in self.counted:
            if each.status in PUBLISHED:
                rows = found.setdefault(each.exchange, dict.fromkeys(PUBLISHED, 0))
                rows[each.status] += each.rows
        return dict(sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0])))

    @property
    def matched(self) -> dict[str, float]:
        """The matched part of its rows by exchange, and of all of them under an empty name.

        Empty for Kite, with whom the others are matched.
        """
        return {
            exchange: sum(statuses[status] for status in MATCHED) / sum(statuses.values())
            for exchange, statuses in {"": self.by_status, **self.by_exchange}.items()
            if sum(statuses.values()) and not statuses["reference"]
        }

    @property
    def matched_moved(self) -> dict[str, float]:
        """By how much that part has changed, where it was known before."""
        before = self.matched_before
        return {name: now - before[name] for name, now in self.matched.items() if name in before}

    @property
    def reasons(self) -> tuple[Counted, ...]:
        """Why published rows are not simply matched: by status and reason, most first."""
        return _merged(each for each in self.counted if each.status in PUBLISHED and each.reason)

    @property
    def reasons_left_out(self) -> tuple[Counted, ...]:
        """Why rows are not published: by status and reason, most first."""
        return _merged(each for each in self.counted if each.status not in PUBLISHED)

    def as_json(self) -> dict[str, Any]:
        """The coverage as JSON values."""
        return {
            "broker": self.broker,
            "as_of_date": self.day.as_of_date and self.day.as_of_date.isoformat(),
            "is_stale": self.day.is_stale,
            "rows": self.rows,
            "by_status": {status: rows for status, rows in self.by_status.items() if rows},
            "matched": self.matched,
            "matched_before": dict(self.matched_before),
            "left_out": self.left_out,
            "rejected": self.rejected,
            "counted": [each.as_json() for each in self.counted],
            "disagreements": dict(self.disagreements),
            "disagreement_samples": [dict(sample) for sample in self.disagreement_samples],
            "changes": [change.as_json() for change in self.changes],
        }

    def _count(self, statuses: Iterable[str]) -> int:
        return sum(each.rows for each in self.counted if each.status in statuses)


def matched_parts(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The matched part by feed and exchange, and under an empty name of the whole feed.

    Args:
        lines: feed, exchange, status and rows.
    """
    counted: dict[str, list[Counted]] = {}
    for line in lines:
        counted.setdefault(line["feed"], []).append(
            Counted(line["exchange"], "", line["status"], "", line["rows"])
        )
    return {
        feed: BrokerCoverage(feed, counted=tuple(each)).matched for feed, each in counted.items()
    }


def _merged(counted: Iterable[Counted]) -> tuple[Counted, ...]:
    """One line a status and reason; `exchange` names those that it is about."""
    groups: dict[tuple[str, str], list[Counted]] = {}
    for each in sorted(counted, key=lambda each: (-each.rows, each.exchange, each.kind)):
        groups.setdefault((each.status, each.reason), []).append(each)
    merged = [
        Counted(
            exchange=", ".join(dict.fromkeys(each.exchange for each in group if each.exchange)),
            kind=", ".join(dict.fromkeys(each.kind for each in group if each.kind)),
            status=status,
            reason=reason,
            rows=sum(each.rows for each in group),
            samples=tuple(dict.fromkeys(text for each in group for text in each.samples))[:SAMPLES],
        )
        for (status, reason), group in groups.items()
    ]
    return tuple(sorted(merged, key=lambda each: (-each.rows, each.status, each.reason)))
