"""Capture what people changed by hand in `public.instruments.is_active`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from datetime import date, datetime
from typing import Any

from psycopg import sql
from psycopg.rows import tuple_row

from exporters.postgres.adoption import adopted, is_ours
from exporters.postgres.catalog import Relation, read_relations
from exporters.postgres.difference import TableState, count_rows, table_state
from exporters.postgres.legacy_rows import OUR_SOURCE
from exporters.postgres.legacy_shape import INSTRUMENTS, is_usable, read_instruments
from exporters.postgres.override_rules import (
    HandChange,
    Override,
    keep_recorded_at,
    overrides_after,
)
from exporters.postgres.published_overrides import (
    COLUMNS,
    PUBLISHED_OVERRIDES,
    SUBSCRIPTION_OVERRIDES,
    read_overrides,
    waiting,
)
from exporters.postgres.request import (
    ACTIVE_SUBSCRIPTIONS,
    BROKER_INSTRUMENTS,
    DEFAULT_LOCK_TIMEOUT_MS,
    EXP_INSTRUMENTS,
    PUBLISHED_SCHEMA,
)
from exporters.postgres.session import Connection, Cursor, database_time, publishing

_CHANGES = sql.SQL("""
select b.canonical_id, b.instrument_token, coalesce(i.is_active, false), s.origin
from {instruments} as i
inner join {wanted} as e on e.instrument_token = i.instrument_token
-- one to one: a token is one broker instrument
inner join {brokers} as b on b.broker = {source} and b.instrument_token = i.instrument_token
left join {active} as s on s.instrument_token = i.instrument_token
where coalesce(i.is_active, false) <> e.is_active and {ours}
""")

_LAST = "select filter, summary from ops.publications order by publication_id desc limit 1"


def capture_overrides(
    connection: Connection,
    *,
    recorded_at: datetime | None = None,
    candidate_schema: str = "candidate",
    next_filter: str | None = None,
    as_of: date | None = None,
    lock_timeout_ms: int = DEFAULT_LOCK_TIMEOUT_MS,
) -> int:
    """Record the hand changes of `is_active` since the last publication as overrides.

    Before the first publication, rows of ours that are active are adopted as overrides, so that
    taking the table over stops nobody's stream. Changes taken back are forgotten. Nothing is
    recorded while the published tables are damaged: build and publish first.

    Args:
        connection: The capture is a transaction of its own; an open one is committed first.
        recorded_at: The instant to note; by default the database's.
        candidate_schema: Where canonical ids are looked up before the first publication.
        next_filter: The filter that is built next, when it is known: under `all` a change that is
            taken back has to be told, and a publication that finds it untold asks to build again.
        as_of: The trading day that is built next, to tell expired contracts, which are not
            adopted; by default the day of `recorded_at`.
        lock_timeout_ms: How long another publication is waited for, milliseconds.

    Returns:
        How many overrides were written, changed or removed.

    Raises:
        DestinationUnavailable: PostgreSQL went away, or a publication is running.
    """
    with publishing(connection, lock_timeout_ms=lock_timeout_ms) as cursor:
        return capture(
            cursor,
            candidate_schema=candidate_schema,
            recorded_at=recorded_at,
            next_filter=next_filter,
            as_of=as_of,
        )


def unpublished_overrides(connection: Connection) -> int:
    """How many overrides differ from those of the last publication: it has to be built anew.

    Args:
        connection: Nothing is written; committed here when it is idle.
    """
    with connection.transaction():
        return count_unpublished(connection.cursor(row_factory=tuple_row))


def hides_hand_changes(connection: Connection) -> bool:
    """Whether damage keeps hand changes from being told: the next publication writes over them.

    Args:
        connection: Nothing is written; committed here when it is idle.
    """
    with connection.transaction():
        cursor = connection.cursor(row_factory=tuple_row)
        last = cursor.execute(_LAST).fetchone()
        return last is not None and _is_damaged(cursor, last[1].get("tables", {}))


def count_unpublished(cursor: Cursor) -> int:
    """The same inside a transaction."""
    return len(waiting(cursor))


def capture(
    cursor: Cursor,
    *,
    candidate_schema: str,
    recorded_at: datetime | None,
    next_filter: str | None = None,
    as_of: date | None = None,
) -> int:
    """The same inside a transaction that holds `public.instruments` against writers."""
    instruments = read_instruments(cursor)
    if instruments is None or instruments.column("is_active") is None:
        return 0  # nothing that a person could have switched
    if not is_usable(instruments):
        return 0  # the publication refuses the table, aloud
    at = recorded_at or database_time(cursor)
    held = read_overrides(cursor, SUBSCRIPTION_OVERRIDES)
    last = cursor.execute(_LAST).fetchone()
    if last is None:
        wanted = adopted(cursor, instruments, candidate_schema, at, as_of or at.date())
        ours = {name for name, override in held.items() if override.origin == "adopted"}
    else:
        published = read_overrides(cursor, PUBLISHED_OVERRIDES)
        changes = _hand_changes(cursor, instruments)
        filter_name, summary = last
        if _is_damaged(cursor, summary.get("tables", {})):
            return 0  # the difference would be the damage's, not a person's
        wanted = overrides_after(
            changes, published, filter_name=filter_name, recorded_at=at, next_filter=next_filter
        )
        changed = {change.canonical_id for change in changes}
        # Nobody could see these in the table: that it does not say so takes nothing back.
        for name in set(summary.get("overrides_waiting", ())) - changed:
            wanted.pop(name, None)
            if name in held:
                wanted[name] = held[name]
        # One without a filter that was never published was written by another program.
        ours = {name for name, override in held.items() if override.filter is not None}
        ours |= published.keys()
    return _write(cursor, held, keep_recorded_at(wanted, held), removable=ours)


def _is_damaged(cursor: Cursor, tables: Mapping[str, Any]) -> bool:
    """Whether the tables that hand changes are measured against are not as they were published.

    The rows of the large one are only counted: to digest them takes longer than the capture.
    """
    found = read_relations(cursor, PUBLISHED_SCHEMA, [BROKER_INSTRUMENTS, ACTIVE_SUBSCRIPTIONS])
    for name in (BROKER_INSTRUMENTS, ACTIVE_SUBSCRIPTIONS):
        noted, table = tables.get(name), found.get(name)
        if noted is None or table is None:
            if noted is not None:
                return True
        elif name == BROKER_INSTRUMENTS:
            if count_rows(cursor, table) != noted["rows"]:
                return True
        elif table_state(cursor, table) != TableState(noted["rows"], noted["digest"]):
            return True
    return False


def _hand_changes(cursor: Cursor, instruments: Relation) -> list[HandChange]:
    names = [EXP_INSTRUMENTS, BROKER_INSTRUMENTS, ACTIVE_SUBSCRIPTIONS]
    published = read_relations(cursor, PUBLISHED_SCHEMA, names)
    if len(published) < len(names):
        return []
    cursor.execute(
        _CHANGES.format(
            instruments=INSTRUMENTS,
            wanted=published[EXP_INSTRUMENTS].identifier,
            brokers=published[BROKER_INSTRUMENTS].identifier,
            active=published[ACTIVE_SUBSCRIPTIONS].identifier,
            source=sql.Literal(OUR_SOURCE),
            ours=is_ours(instruments),
        )
    )
    return [HandChange(*row) for row in cursor.fetchall()]


def _write(
    cursor: Cursor, held: Mapping[str, Override], wanted: Mapping[str, Override],
    *, removable: set[str],
) -> int:  # fmt: skip
    removed = [name for name in removable if name in held and name not in wanted]
    written = [override for name, override in wanted.items() if held.get(name) != override]
    cursor.execute(
        sql.SQL("delete from {} where canonical_id = any(%s)").format(SUBSCRIPTION_OVERRIDES),
        [removed + [override.canonical_id for override in written]],
    )
    copy = sql.SQL("copy {} ({}) from stdin").format(SUBSCRIPTION_OVERRIDES, COLUMNS)
    with cursor.copy(copy) as rows:
        for override in written:
            rows.write_row(astuple(override))
    return len(removed) + len(written)
