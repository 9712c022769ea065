"""Reads how far the brokers cover the market and agree: what the report and `coverage` show.

Works on the candidate and on what is published alike: both have the same marts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from expectations.audit import cell

SAMPLES: Final = 5
# Rows that are published, in the order in which they are shown: `reference` is Kite's, whom the
# others are matched with.
PUBLISHED: Final = ("reference", "matched", "matched_terms_only", "token_conflict", "unmatched")
# Rows that are not, and need no mending.
LEFT_OUT: Final = ("excluded", "repeated")
REJECTED: Final = "rejected"


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
    """

    broker: str
    day: FeedDay = field(default_factory=lambda: FeedDay(None))
    counted: tuple[Counted, ...] = ()
    disagreements: Mapping[str, int] = field(default_factory=dict)
    disagreement_samples: tuple[Mapping[str, str], ...] = ()

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
        """Rows with another lot or tick than an earlier feed; conflicts are not counted again."""
        return sum(rows for what, rows in self.disagreements.items() if what != "contract")

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
            "left_out": self.left_out,
            "rejected": self.rejected,
            "counted": [each.as_json() for each in self.counted],
            "disagreements": dict(self.disagreements),
            "disagreement_samples": [dict(sample) for sample in self.disagreement_samples],
        }

    def _count(self, statuses: Iterable[str]) -> int:
        return sum(each.rows for each in self.counted if each.status in statuses)


def read_coverage(
    connection: psycopg.Connection, schema: str, days: Mapping[str, FeedDay] | None = None
) -> tuple[BrokerCoverage, ...]:
    """Every broker's coverage, Kite first, then by name.

    Args:
        connection: to the database.
        schema: `candidate`, or the published one.
        days: the feeds that there should be, with their days: one without a row is told too.

    Returns:
        Empty where nothing was built, or by models that did not know of other brokers.
    """
    if not all(_exists(connection, schema, name) for name in _MARTS):
        return ()
    lines = _query(
        connection,
        "select feed, exchange, kind, status, reason, covered_rows, samples, as_of_date, is_stale "
        "from {} order by feed, exchange, kind, status, reason",
        schema,
        "broker_coverage",
    )
    counted: dict[str, list[Counted]] = {name: [] for name in days or {}}
    told = dict(days or {})
    for line in lines:
        told[line["feed"]] = FeedDay(line["as_of_date"], line["is_stale"])
        counted.setdefault(line["feed"], []).append(_counted(line))
    disagreements, samples = _disagreements(connection, schema)
    return tuple(
        BrokerCoverage(
            broker,
            told[broker],
            tuple(counted[broker]),
            disagreements.get(broker, {}),
            samples.get(broker, ()),
        )
        for broker in sorted(counted, key=lambda name: (name != "kite", name))
    )


_MARTS: Final = ("broker_coverage", "broker_disagreements")


def _counted(line: Mapping[str, Any]) -> Counted:
    return Counted(
        exchange=cell(line["exchange"]),
        kind=line["kind"],
        status=line["status"],
        reason=line["reason"],
        rows=line["covered_rows"],
        samples=tuple(cell(text) for text in line["samples"][:SAMPLES]),
    )


def _disagreements(
    connection: psycopg.Connection, schema: str
) -> tuple[dict[str, dict[str, int]], dict[str, tuple[dict[str, str], ...]]]:
    counts: dict[str, dict[str, int]] = {}
    for line in _query(
        connection,
        "select broker, attribute, count(*) as rows from {} group by broker, attribute "
        "order by broker, rows desc, attribute",
        schema,
        "broker_disagreements",
    ):
        counts.setdefault(line["broker"], {})[line["attribute"]] = line["rows"]
    samples: dict[str, tuple[dict[str, str], ...]] = {}
    for broker in counts:
        found = _query(
            connection,
            # The first of each kind before the second of any.
            "select attribute as what, exchange, tradingsymbol, broker_value as here, "
            "reference_broker as elsewhere, reference_value as there, "
            "case when is_active then 'yes' else '' end as subscribed "
            "from {} where broker = %s "
            "order by is_active desc, row_number() over (partition by is_active, attribute "
            "order by exchange, tradingsymbol, broker_token), attribute limit %s",
            schema,
            "broker_disagreements",
            (broker, SAMPLES),
        )
        samples[broker] = tuple(
            {name: cell(value) for name, value in line.items()} for line in found
        )
    return counts, samples


def _query(
    connection: psycopg.Connection,
    query: LiteralString,
    schema: str,
    relation: str,
    parameters: tuple[object, ...] = (),
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(sql.SQL(query).format(sql.Identifier(schema, relation)), parameters)
        return cursor.fetchall()


def _exists(connection: psycopg.Connection, schema: str, relation: str) -> bool:
    found = connection.execute(
        "select to_regclass(format('%%I.%%I', %s::text, %s::text)) is not null", (schema, relation)
    ).fetchone()
    return bool(found and found[0])


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
