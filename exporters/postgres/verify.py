"""Find out whether the published tables still hold what was published, and repair one of them."""

from __future__ import annotations

from datetime import datetime

from psycopg.rows import tuple_row

from exporters.destination import Plan
from exporters.postgres.catalog import read_relations
from exporters.postgres.content import Applied, publish_instruments
from exporters.postgres.difference import table_state
from exporters.postgres.errors import SubscriptionsChangedMeanwhile
from exporters.postgres.legacy_rows import Legacy, different_rows
from exporters.postgres.legacy_shape import COLUMNS, read_instruments
from exporters.postgres.overrides import capture, count_unpublished
from exporters.postgres.publish import hold_instruments
from exporters.postgres.request import DEFAULT_LOCK_TIMEOUT_MS, EXP_INSTRUMENTS, PUBLISHED_SCHEMA
from exporters.postgres.session import (
    Connection,
    Cursor,
    Stopwatch,
    database_time,
    publishing,
    translated_failures,
)

PUBLIC_INSTRUMENTS = "public.instruments"

_LAST = "select summary from ops.publications order by publication_id desc limit 1"


def verify_published(
    connection: Connection, *, repair_legacy: bool = False, now: datetime | None = None
) -> list[str]:
    """Compare the published tables with the digests of the last publication.

    `public.instruments` is compared with the published view, row by row; hand changes of
    `is_active` count, so capture them first.

    Args:
        connection: Committed here when it is idle.
        repair_legacy: Bring `public.instruments` to what is published if it differs, unless that
            is damaged itself: then it would get the damage.
        now: What `last_updated` becomes in the rows that are repaired; by default the
            database's time.

    Returns:
        What differs, or differed, a line each; empty when all is as published, or nothing ever was.

    Raises:
        SubscriptionsChangedMeanwhile: As for `repair_instruments`.
        DestinationUnavailable: PostgreSQL went away.
    """
    with translated_failures(), connection.transaction():
        cursor = connection.cursor(row_factory=tuple_row)
        cursor.execute("set local work_mem = '64MB'")
        differences = _of_marts(cursor)
        legacy = _of_instruments(cursor)
    if legacy is not None and repair_legacy and not differences:
        done = repair_instruments(connection, now=now)
        legacy += f"; repaired: {done.added} added, {done.changed} changed, {done.removed} removed"
    return differences if legacy is None else [*differences, legacy]


def repair_instruments(
    connection: Connection,
    *,
    now: datetime | None = None,
    lock_timeout_ms: int = DEFAULT_LOCK_TIMEOUT_MS,
) -> Plan:
    """Bring `public.instruments` to what is published, without a new publication.

    Args:
        connection: A transaction that it is in is committed first.
        now: What `last_updated` becomes in the rows that change; by default the database's time.
        lock_timeout_ms: How long a lock is waited for, milliseconds.

    Returns:
        What was done.

    Raises:
        SubscriptionsChangedMeanwhile: `is_active` was changed by hand since the last
            publication: that is a wish, no damage. It is recorded; build and publish.
        DestinationUnavailable: PostgreSQL went away, or somebody holds a lock.
        DestinationRefused: The table's shape cannot take the rows.
        VerificationError: The table does not read back.
    """
    applied = Applied()
    with publishing(connection, lock_timeout_ms=lock_timeout_ms) as cursor:
        hold_instruments(cursor)
        at = now or database_time(cursor)
        capture(cursor, candidate_schema=PUBLISHED_SCHEMA, recorded_at=at)
        late = count_unpublished(cursor)
        if not late:
            publish_instruments(cursor, applied, Stopwatch(), now=at)
    if late:
        raise SubscriptionsChangedMeanwhile(late)
    return applied.instruments or Plan()


def _of_marts(cursor: Cursor) -> list[str]:
    last = cursor.execute(_LAST).fetchone()
    if last is None:
        return []
    tables, views = last[0]["tables"], last[0]["views"]
    found = read_relations(cursor, PUBLISHED_SCHEMA, [*tables, *views])
    differences = [
        f"{PUBLISHED_SCHEMA}.{name} does not exist"
        for name in (*tables, *views)
        if name not in found
    ]
    for name, published in tables.items():
        state = table_state(cursor, found[name]) if name in found else None
        if state is None or (state.rows, state.digest) == (published["rows"], published["digest"]):
            continue
        seen = "other values" if state.rows == published["rows"] else f"{state.rows} rows"
        differences.append(
            f"{found[name]} holds {seen}, not the {published['rows']} rows that were published"
        )
    return differences


def _of_instruments(cursor: Cursor) -> str | None:
    wanted = read_relations(cursor, PUBLISHED_SCHEMA, [EXP_INSTRUMENTS]).get(EXP_INSTRUMENTS)
    if wanted is None:
        return None
    table = read_instruments(cursor)
    if table is None:
        return f"{PUBLIC_INSTRUMENTS} does not exist"
    missing = [name for name in COLUMNS if table.column(name) is None]
    if missing:
        return f"{table} lacks column {', '.join(missing)}"
    count, tokens = different_rows(cursor, Legacy(table, wanted))
    if not count:
        return None
    return (
        f"{table} differs from {wanted} in {count} rows, such as tokens "
        f"{', '.join(map(str, tokens))}"
    )
