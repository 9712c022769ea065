"""Find out whether the published tables still hold what was published, and repair one of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import tuple_row

from exporters.destination import Plan
from exporters.postgres.catalog import Relation, read_relations
from exporters.postgres.content import Applied, publish_instruments
from exporters.postgres.difference import table_state
from exporters.postgres.errors import SubscriptionsChangedMeanwhile
from exporters.postgres.legacy_rows import Legacy, different_rows
from exporters.postgres.legacy_shape import COLUMNS, read_instruments
from exporters.postgres.overrides import capture
from exporters.postgres.publish import hold_instruments
from exporters.postgres.request import DEFAULT_LOCK_TIMEOUT_MS, EXP_INSTRUMENTS, PUBLISHED_SCHEMA
from exporters.postgres.session import (
    Connection,
    Cursor,
    Stopwatch,
    publishing,
    translated_failures,
)

PUBLIC_INSTRUMENTS = "public.instruments"

_LAST = "select summary from ops.publications order by publication_id desc limit 1"


@dataclass(frozen=True, slots=True)
class Difference:
    """A published relation that is not as it was published."""

    relation: str
    seen: str
    expected: str

    def __str__(self) -> str:
        return f"{self.relation}: {self.seen}; expected: {self.expected}"


def verify_published(connection: Connection) -> list[Difference]:
    """Compare the published tables with the digests of the last publication.

    `public.instruments` is compared with the published view, row by row; hand changes of
    `is_active` count, so capture them first.

    Args:
        connection: Nothing is written; committed here when it is idle.

    Returns:
        What differs; empty when all is as published, or nothing ever was.

    Raises:
        DestinationUnavailable: PostgreSQL went away.
    """
    with translated_failures(), connection.transaction():
        cursor = connection.cursor(row_factory=tuple_row)
        cursor.execute("set local work_mem = '64MB'")
        last = cursor.execute(_LAST).fetchone()
        if last is None:
            return []
        tables, views = last[0]["tables"], last[0]["views"]
        found = read_relations(cursor, PUBLISHED_SCHEMA, [*tables, *views])
        differences = [
            Difference(f"{PUBLISHED_SCHEMA}.{name}", "it does not exist", "the published relation")
            for name in (*tables, *views)
            if name not in found
        ]
        for name, state in tables.items():
            if name in found:
                differences += _table(cursor, found[name], state["rows"], state["digest"])
        if EXP_INSTRUMENTS in found:
            differences += _instruments(cursor, found[EXP_INSTRUMENTS])
        return differences


def repair_instruments(
    connection: Connection, *, now: datetime, lock_timeout_ms: int = DEFAULT_LOCK_TIMEOUT_MS
) -> Plan:
    """Bring `public.instruments` to what is published, without a new publication.

    Args:
        connection: Idle.
        now: What `last_updated` becomes in the rows that change.
        lock_timeout_ms: How long a lock is waited for, milliseconds.

    Returns:
        What was done.

    Raises:
        SubscriptionsChangedMeanwhile: `is_active` was changed by hand: that is a wish, no
            damage. It is recorded; build again.
        DestinationUnavailable: PostgreSQL went away, or somebody holds a lock.
        DestinationRefused: The table's shape cannot take the rows.
        VerificationError: The table does not read back.
    """
    applied = Applied()
    with publishing(connection, lock_timeout_ms=lock_timeout_ms) as cursor:
        hold_instruments(cursor)
        late = capture(cursor, candidate_schema=PUBLISHED_SCHEMA, recorded_at=now)
        if not late:
            publish_instruments(cursor, applied, Stopwatch(), now=now)
    if late:
        raise SubscriptionsChangedMeanwhile(late)
    return applied.instruments or Plan()


def _table(cursor: Cursor, table: Relation, rows: int, digest: str) -> list[Difference]:
    state = table_state(cursor, table)
    if (state.rows, state.digest) == (rows, digest):
        return []
    seen = f"{state.rows} rows" if state.rows != rows else f"{rows} rows, some with other values"
    return [Difference(str(table), seen, f"the {rows} rows that were published")]


def _instruments(cursor: Cursor, wanted: Relation) -> list[Difference]:
    expected = f"the rows of {wanted}"
    table = read_instruments(cursor)
    if table is None:
        return [Difference(PUBLIC_INSTRUMENTS, "it does not exist", expected)]
    missing = [name for name in COLUMNS if table.column(name) is None]
    if missing:
        return [Difference(PUBLIC_INSTRUMENTS, f"no column {', '.join(missing)}", expected)]
    count, tokens = different_rows(cursor, Legacy(table, wanted))
    if not count:
        return []
    seen = f"{count} rows differ, such as tokens {', '.join(map(str, tokens))}"
    return [Difference(PUBLIC_INSTRUMENTS, seen, expected)]
