"""Capture what people changed by hand in `public.instruments.is_active`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields
from datetime import datetime

from psycopg import sql
from psycopg.rows import tuple_row

from exporters.postgres.catalog import Relation, read_relations
from exporters.postgres.legacy_rows import OUR_SOURCE
from exporters.postgres.legacy_shape import INSTRUMENTS, is_usable, read_instruments
from exporters.postgres.override_rules import (
    HandChange,
    Override,
    keep_recorded_at,
    overrides_after,
    spelled_canonical_id,
)
from exporters.postgres.request import (
    ACTIVE_SUBSCRIPTIONS,
    BROKER_INSTRUMENTS,
    DEFAULT_LOCK_TIMEOUT_MS,
    EXP_INSTRUMENTS,
    PUBLISHED_SCHEMA,
)
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

_UNPUBLISHED = """
select count(*)
from ops.subscription_overrides as o
full outer join ops.published_overrides as p on p.canonical_id = o.canonical_id
where o.is_active is distinct from p.is_active
"""

_LAST_FILTER = "select filter from ops.publications order by publication_id desc limit 1"


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
    row = cursor.execute(_UNPUBLISHED).fetchone()
    return int(row[0]) if row else 0


def capture(cursor: Cursor, *, candidate_schema: str, recorded_at: datetime | None) -> int:
    """The same inside a transaction that holds `public.instruments` against writers."""
    instruments = read_instruments(cursor)
    if instruments is None or instruments.column("is_active") is None:
        return 0  # nothing that a person could have switched
    if not is_usable(instruments):
        return 0  # the publication refuses the table, aloud
    at = recorded_at or database_time(cursor)
    held = _read(cursor, sql.Identifier("ops", "subscription_overrides"))
    last = cursor.execute(_LAST_FILTER).fetchone()
    if last is None:
        wanted = _adopted(cursor, instruments, candidate_schema, at)
        ours = {name for name, override in held.items() if override.origin == "adopted"}
    else:
        published = _read(cursor, sql.Identifier("ops", "published_overrides"))
        changes = _hand_changes(cursor, instruments)
        wanted = overrides_after(changes, published, filter_name=last[0], recorded_at=at)
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


def remember_published(cursor: Cursor) -> None:
    """Note the overrides as those of this publication: later changes are changes against them."""
    cursor.execute("delete from ops.published_overrides")
    cursor.execute(
        sql.SQL(
            "insert into ops.published_overrides ({0}) select {0} from ops.subscription_overrides"
        ).format(_COLUMNS)
    )


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
            ours=_ours(instruments),
        )
    )
    return [HandChange(*row) for row in cursor.fetchall()]


def _adopted(
    cursor: Cursor, instruments: Relation, candidate_schema: str, at: datetime
) -> dict[str, Override]:
    """The active rows of ours in a table that older programs filled."""
    spelled = ("exchange", "segment", "trading_symbol", "name", "instrument_type", "expiry",
               "strike")  # fmt: skip
    if any(instruments.column(name) is None for name in ("trading_symbol", *spelled[:1])):
        return {}
    values = sql.SQL(", ").join(
        sql.Identifier("i", name) if instruments.column(name) else sql.SQL("null")
        for name in spelled
    )
    cursor.execute(
        sql.SQL(
            "select i.instrument_token, {} from {} as i where i.is_active and {}"
            " and i.instrument_token between -2147483648 and 2147483647"
            " order by i.instrument_token desc"
        ).format(values, INSTRUMENTS, _ours(instruments))
    )
    active = {token: dict(zip(spelled, rest, strict=True)) for token, *rest in cursor.fetchall()}
    known = _candidate_ids(cursor, candidate_schema, list(active))
    adopted: dict[str, Override] = {}
    for token, terms in active.items():
        canonical_id = known.get(token) or spelled_canonical_id(**terms)
        adopted[canonical_id] = Override(canonical_id, token, True, "adopted", at)
    return adopted


def _ours(instruments: Relation) -> sql.Composable:
    """Whether a row is of our source: another program's rows tell nothing about our wishes."""
    if instruments.column("source") is None:
        return sql.SQL("true")
    return sql.SQL("coalesce(i.source, {0}) = {0}").format(sql.Literal(OUR_SOURCE))


def _candidate_ids(cursor: Cursor, schema: str, tokens: list[int]) -> dict[int, str]:
    brokers = read_relations(cursor, schema, [BROKER_INSTRUMENTS]).get(BROKER_INSTRUMENTS)
    if brokers is None or not tokens:
        return {}
    cursor.execute(
        sql.SQL(
            "select instrument_token, canonical_id from {} where broker = %s"
            " and instrument_token = any(%s)"
        ).format(brokers.identifier),
        [OUR_SOURCE, tokens],
    )
    return dict(cursor.fetchall())


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
