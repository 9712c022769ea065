"""Reads what the report shows of the candidate: what changed, and rows by exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from expectations.audit import cell

SAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Change:
    """How many instruments changed in one way since the last publication.

    Attributes:
        change: listed, delisted, expired, symbol_changed, token_changed, strike_changed, ...
        count: instruments.
        active_count: those of them that ingestion streams.
        samples: the first of them, column to text.
    """

    change: str
    count: int
    active_count: int = 0
    samples: tuple[Mapping[str, str], ...] = ()


def read_changes(
    connection: psycopg.Connection, *, candidate_schema: str = "candidate"
) -> tuple[Change, ...]:
    """The changes that the candidate's `instrument_changes` holds, most frequent first.

    Empty where nothing is published yet, or where the candidate was not built.
    """
    relation = sql.Identifier(candidate_schema, "instrument_changes")
    if not _exists(connection, relation):
        return ()
    counts = connection.execute(
        sql.SQL(
            "select change, count(*), count(*) filter (where is_active) "
            "from {} group by change order by 2 desc, 1"
        ).format(relation)
    ).fetchall()
    return tuple(
        Change(change, count, active, _samples(connection, relation, change))
        for change, count, active in counts
    )


def _samples(
    connection: psycopg.Connection, relation: sql.Identifier, change: str
) -> tuple[dict[str, str], ...]:
    cursor = connection.execute(
        sql.SQL(
            "select tradingsymbol, exchange, old_value, new_value from {} where change = %s "
            "order by is_active desc, canonical_id limit %s"
        ).format(relation),
        (change, SAMPLES),
    )
    names = [column.name for column in cursor.description or ()]
    return tuple(
        {name: cell(value) for name, value in zip(names, row, strict=True)} for row in cursor
    )


def read_rows(connection: psycopg.Connection, schema: str) -> dict[str, int]:
    """Kite's instruments by exchange, candidate or published; empty without either."""
    relation = sql.Identifier(schema, "broker_instruments")
    if not _exists(connection, relation):
        return {}
    counts = connection.execute(
        sql.SQL(
            "select exchange, count(*) from {} where broker = 'kite' "
            "group by exchange order by 2 desc, 1"
        ).format(relation)
    )
    return {str(exchange): int(rows) for exchange, rows in counts}


def _exists(connection: psycopg.Connection, relation: sql.Identifier) -> bool:
    found = connection.execute(
        "select to_regclass(%s) is not null", (relation.as_string(connection),)
    ).fetchone()
    return bool(found and found[0])
