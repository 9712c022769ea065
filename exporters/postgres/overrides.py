"""Capture what people changed by hand in `public.instruments.is_active`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields
from datetime import datetime

from psycopg import sql
from psycopg.rows import tuple_row

from exporters.postgres.adoption import adopted, is_ours
from exporters.postgres.catalog import Relation, read_relations
from exporters.postgres.legacy_rows import OUR_SOURCE
from exporters.postgres.legacy_shape import INSTRUMENTS, is_usable, read_instruments
from exporters.postgres.override_rules import (
    HandChange,
    Override,
    keep_recorded_at,
    overrides_after,
)
from exporters.postgres.request import (
    ACTIVE_SUBSCRIPTIONS,
    BROKER_INSTRUMENTS,
    DEFAULT_LOCK_TIMEOUT_MS,
    EXP_INSTRUMENTS,
    PUBLISHED_SCHEMA,
)
from exporters.postgres.rows import columns
from exporters.postgres.session import Connection, Cursor, database_time, publishing

_COLUMNS = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(Override))

_CHANGES = sql.SQL("""
select b.canonical_id, b.instrument_token, coalesce(i.is_active, false), s.origin
from {instruments} as i
inner join {wanted} as e on e.instrument_token = i.instrument_token
-- one to one: a token is one broker instrument
inner join {brokers} as b on b.broker = {source} and b.instrument_token = i.instrument_token
left join {active} as s on s.instrument_token = i.instrument_token
where coalesce(i.is_active, false) <> e.is_active and {ours}
""")

_WAITING = """
select coalesce(o.canonical_id, p.canonical_id)
from ops.subscription_overrides as o
full outer join ops.published_overrides as p on p.canonical_id = o.canonical_id
where o.is_active is distinct from p.is_active
order by 1
"""

# An override is heeded when its contract is active, or is not, as it says. A contract that is not
# in the dump cannot show it: such an override sleeps.
_REMEMBER = sql.SQL("""
with present as (
    select o.canonical_id, bool_or(b.instrument_token = o.instrument_token) as has_token
    from ops.subscription_overrides as o
    -- one contract to one token, seldom to several
    inner join {brokers} as b on b.canonical_id = o.canonical_id and b.broker = {source}
    group by o.canonical_id
),

active as (
    select s.canonical_id, array_agg(s.instrument_token) as tokens
    from {active} as s
    group by s.canonical_id
)

insert into ops.published_overrides ({columns})
select {o_columns}
from ops.subscription_overrides as o
-- one to one, or none
left join present as p on p.canonical_id = o.canonical_id
-- one to one, or none
left join active as a on a.canonical_id = o.canonical_id
where
    p.canonical_id is null
    or o.is_active = (
        a.canonical_id is not null and (not p.has_token or o.instrument_token = any(a.tokens))
    )
""")

# What was taken back since stays to be unlearned while the content still shows it.
_FORGET = sql.SQL("""
delete from ops.published_overrides as p
where
    not p.is_active
    or exists (select from ops.subscription_overrides as o where o.canonical_id = p.canonical_id)
    or not exists (
        select from {active} as s where s.canonical_id = p.canonical_id and s.origin = 'override'
    )
""")

_LAST = "select filter, summary from ops.publications order by publication_id desc limit 1"


def capture_overrides(
    connection: Connection,
    *,
    recorded_at: datetime | None = None,
    candidate_schema: str = "candidate",
    lock_timeout_ms: int = DEFAULT_LOCK_TIMEOUT_MS,
) -> int:
    """Record the hand changes of `is_active` since the last publication as overrides.

    Before the first publication, rows of ours that are active are adopted as overrides, so that
    taking the table over stops nobody's stream. Changes taken back are forgotten.

    Args:
        connection: The capture is a transaction of its own; an open one is committed first.
        recorded_at: The instant to note; by default the database's.
        candidate_schema: Where canonical ids are looked up before the first publication.
        lock_timeout_ms: How long another publication is waited for, milliseconds.

    Returns:
        How many overrides were written, changed or removed.

    Raises:
        DestinationUnavailable: PostgreSQL went away, or a publication is running.
    """
    with publishing(connection, lock_timeout_ms=lock_timeout_ms) as cursor:
        return capture(cursor, candidate_schema=candidate_schema, recorded_at=recorded_at)


def unpublished_overrides(connection: Connection) -> int:
    """How many overrides differ from those of the last publication: it has to be built anew.

    Args:
        connection: Nothing is written; committed here when it is idle.
    """
    with connection.transaction():
        return count_unpublished(connection.cursor(row_factory=tuple_row))


def count_unpublished(cursor: Cursor) -> int:
    """The same inside a transaction."""
    return len(_waiting(cursor))


def capture(cursor: Cursor, *, candidate_schema: str, recorded_at: datetime | None) -> int:
    """The same inside a transaction that holds `public.instruments` against writers."""
    instruments = read_instruments(cursor)
    if instruments is None or instruments.column("is_active") is None:
        return 0  # nothing that a person could have switched
    if not is_usable(instruments):
        return 0  # the publication refuses the table, aloud
    at = recorded_at or database_time(cursor)
    held = _read(cursor, sql.Identifier("ops", "subscription_overrides"))
    last = cursor.execute(_LAST).fetchone()
    if last is None:
        wanted = adopted(cursor, instruments, candidate_schema, at)
        ours = {name for name, override in held.items() if override.origin == "adopted"}
    else:
        published = _read(cursor, sql.Identifier("ops", "published_overrides"))
        changes = _hand_changes(cursor, instruments)
        filter_name, summary = last
        wanted = overrides_after(changes, published, filter_name=filter_name, recorded_at=at)
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


def drop_spent(cursor: Cursor, *, filter_name: str) -> tuple[Override, ...]:
    """Forget overrides that the publication just applied makes pointless.

    Those are: of contracts that left the dump; adopted ones that the filter covers; and changes
    back to what this filter says.

    Returns:
        Those whose contract left the dump.
    """
    published = read_relations(
        cursor, PUBLISHED_SCHEMA, [BROKER_INSTRUMENTS, ACTIVE_SUBSCRIPTIONS]
    )  # fmt: skip
    if len(published) < 2:  # noqa: PLR2004  # the two names above
        return ()
    cursor.execute(
        sql.SQL(
            "select {} from ops.subscription_overrides as o where not exists ("
            "select from {} as b where b.canonical_id = o.canonical_id) order by o.canonical_id"
        ).format(_COLUMNS, published[BROKER_INSTRUMENTS].identifier)
    )
    gone = tuple(Override(*row) for row in cursor.fetchall())
    cursor.execute(
        sql.SQL(
            "delete from ops.subscription_overrides as o where o.canonical_id = any(%(gone)s)"
            " or (o.is_change_back and o.filter = %(filter)s)"
            " or (o.origin = 'adopted' and exists (select from {} as s"
            " where s.canonical_id = o.canonical_id and s.origin = 'filter'))"
        ).format(published[ACTIVE_SUBSCRIPTIONS].identifier),
        {"gone": [override.canonical_id for override in gone], "filter": filter_name},
    )
    return gone


def remember_published(cursor: Cursor) -> tuple[str, ...]:
    """Note the overrides that the content just applied heeds: later changes are against them.

    Returns:
        Canonical ids of those that it does not: of a rollback, what was changed since then; and
        what another program wrote after the build. They wait for the next build.
    """
    published = read_relations(
        cursor, PUBLISHED_SCHEMA, [BROKER_INSTRUMENTS, ACTIVE_SUBSCRIPTIONS]
    )  # fmt: skip
    if len(published) < 2:  # noqa: PLR2004  # the two names above
        cursor.execute("delete from ops.published_overrides")
        cursor.execute(
            sql.SQL(
                "insert into ops.published_overrides ({0})"
                " select {0} from ops.subscription_overrides"
            ).format(_COLUMNS)
        )
        return ()
    active = published[ACTIVE_SUBSCRIPTIONS].identifier
    cursor.execute(_FORGET.format(active=active))
    cursor.execute(
        _REMEMBER.format(
            brokers=published[BROKER_INSTRUMENTS].identifier,
            active=active,
            source=sql.Literal(OUR_SOURCE),
            columns=_COLUMNS,
            o_columns=columns([field.name for field in fields(Override)], "o"),
        )
    )
    return _waiting(cursor)


def _waiting(cursor: Cursor) -> tuple[str, ...]:
    """Canonical ids whose override is not the published one."""
    return tuple(name for (name,) in cursor.execute(_WAITING).fetchall())


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


def _read(cursor: Cursor, table: sql.Identifier) -> dict[str, Override]:
    cursor.execute(sql.SQL("select {} from {}").format(_COLUMNS, table))
    return {row[0]: Override(*row) for row in cursor.fetchall()}


def _write(
    cursor: Cursor, held: Mapping[str, Override], wanted: Mapping[str, Override],
    *, removable: set[str],
) -> int:  # fmt: skip
    removed = [name for name in removable if name not in wanted]
    written = [override for name, override in wanted.items() if held.get(name) != override]
    table = sql.Identifier("ops", "subscription_overrides")
    cursor.execute(
        sql.SQL("delete from {} where canonical_id = any(%s)").format(table),
        [removed + [override.canonical_id for override in written]],
    )
    copy = sql.SQL("copy {} ({}) from stdin").format(table, _COLUMNS)
    with cursor.copy(copy) as rows:
        for override in written:
            rows.write_row(astuple(override))
    return len(removed) + len(written)
