"""The tables of schema `history`, in the shape of the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from psycopg import sql

from exporters.postgres import rows
from exporters.postgres.catalog import Column, Relation, read_relations
from exporters.postgres.history.analyst_views import drop_analyst_views, ensure_analyst_views
from exporters.postgres.history.versioned import SCHEMA, Versioned
from exporters.postgres.history.views import ensure_view
from exporters.postgres.request import BROKER_INSTRUMENTS, PUBLISHED_SCHEMA
from exporters.postgres.session import Cursor
from exporters.postgres.views import Rights

NOBODYS: Rights = MappingProxyType({})

INSTRUMENTS = "instruments"

# What a broker's row says of the instrument. Left out is what the build says of the row: how it
# was matched, whether its symbol parses, whether the broker's dump was late.
_OF_BROKERS = (
    "instrument_token", "canonical_id", "exchange_token", "tradingsymbol", "name", "segment",
    "instrument_type", "series", "isin", "option_type", "strike", "tick_size_inr", "lot_size",
    "expiry_date",
)  # fmt: skip

_TABLES = """
create table if not exists history.current_instruments (
    instrument_id bigint not null,
    canonical_id text not null,
    valid_from date not null,
    publication_id bigint not null
);
comment on table history.current_instruments is
'One row per row of marts.instruments: which instrument it is, and since when it is as it is.';

create table if not exists history.current_broker_instruments (
    broker text not null,
    exchange text not null,
    broker_token text not null,
    valid_from date not null,
    publication_id bigint not null
);
comment on table history.current_broker_instruments is
'One row per row of marts.broker_instruments: since when it is as it is.';

create table if not exists history.instrument_events (
    event_id bigint generated always as identity primary key,
    publication_id bigint not null,
    as_of_date date not null,
    instrument_id bigint not null,
    event text not null check (event in (
        'listed', 'delisted', 'expired', 'relisted', 'renamed', 'token_moved', 'token_reused',
        'strike_adjusted', 'lot_changed', 'tick_changed', 'series_changed', 'expiry_revised'
    )),
    broker text,
    broker_token text,
    canonical_id text not null,
    old_value text,
    new_value text,
    is_active boolean not null,
    recorded_at timestamptz not null,
    superseded_by bigint
);
comment on table history.instrument_events is
'One row per thing that happened to an instrument; with a broker where it is the broker''s alone.';
comment on column history.instrument_events.is_active is
'Whether it touches a subscription, of before or after the publication.';
comment on column history.instrument_events.superseded_by is
'The publication that took it back; null for what is believed now.';
create index if not exists instrument_events_by_instrument
on history.instrument_events (instrument_id, as_of_date);
create index if not exists instrument_events_by_date on history.instrument_events (as_of_date);
create index if not exists instrument_events_by_publication
on history.instrument_events (greatest(publication_id, superseded_by));
"""

_PAST = sql.SQL("""
create table {past} (
    instrument_id bigint {required},
    {columns},
    valid_from date not null,
    valid_to date,
    recorded_at timestamptz not null,
    publication_id bigint not null,
    closed_by bigint,
    superseded_by bigint,
    changed_by bigint not null
    generated always as (greatest(publication_id, closed_by, superseded_by)) stored,
    check (valid_to > valid_from),
    check ((valid_to is null) = (closed_by is null)),
    check (closed_by is not null or superseded_by is not null)
)
""")


def ensure_history(cursor: Cursor, rights: Rights = NOBODYS) -> tuple[Versioned, Versioned] | None:
    """Create what is missing, and follow columns that the published tables have gained.

    Args:
        cursor: Inside the publication's transaction.
        rights: On views that had to step aside for a column's new type, by name.

    Returns:
        Instruments and broker instruments; None unless both are published with the keys that
        history tells rows apart by.
    """
    published = read_relations(cursor, PUBLISHED_SCHEMA, [INSTRUMENTS, BROKER_INSTRUMENTS])
    keys = {name: relation.key for name, relation in published.items()}
    if keys != {
        INSTRUMENTS: ("canonical_id",),
        BROKER_INSTRUMENTS: ("broker", "exchange", "broker_token"),
    }:
        return None
    cursor.execute(_TABLES)
    versioned = _versioned(cursor, published)
    for one in versioned:
        ensure_view(cursor, one, rights)
    ensure_analyst_views(cursor, frozenset(versioned[0].names), rights)
    return versioned


def _versioned(cursor: Cursor, published: Mapping[str, Relation]) -> tuple[Versioned, Versioned]:
    instruments, brokers = published[INSTRUMENTS], published[BROKER_INSTRUMENTS]
    of_brokers = {*brokers.key, *_OF_BROKERS}
    return (
        _ensure_past(cursor, instruments, instruments.columns, "instrument"),
        _ensure_past(
            cursor,
            brokers,
            tuple(column for column in brokers.columns if column.name in of_brokers),
            "broker_instrument",
        ),
    )


def _ensure_past(
    cursor: Cursor, published: Relation, columns: tuple[Column, ...], noun: str
) -> Versioned:
    name = f"past_{noun}_versions"
    past = sql.Identifier(SCHEMA, name)
    held = read_relations(cursor, SCHEMA, [name]).get(name)
    if held is None:
        required = sql.SQL("" if published.name == BROKER_INSTRUMENTS else "not null")
        cursor.execute(
            _PAST.format(
                past=past, required=required, columns=rows.COMMA.join(map(_typed, columns))
            )
        )
        looked_up = ["instrument_id", "canonical_id", "valid_to", "changed_by"]
        if published.name == BROKER_INSTRUMENTS:
            looked_up += ["broker_token", "tradingsymbol"]
        for indexed in looked_up:
            cursor.execute(sql.SQL("create index on {} ({})").format(past, sql.Identifier(indexed)))
    else:
        for column in columns:
            _follow(cursor, past, sql.Identifier(SCHEMA, f"{noun}_versions"), held, column)
    known = {column.name for column in (columns if held is None else held.columns)}
    compared = tuple(column.name for column in columns if column.name in known)
    current = sql.Identifier(SCHEMA, f"current_{noun}s")
    return Versioned(published, columns, compared, past, current)


def _follow(
    cursor: Cursor, past: sql.Identifier, view: sql.Identifier, held: Relation, wanted: Column
) -> None:
    before = held.column(wanted.name)
    if before is None:
        cursor.execute(sql.SQL("alter table {} add column {}").format(past, _typed(wanted)))
    elif before.type != wanted.type:
        # A widening, as the published table just had it; the view, made again, is in the way.
        drop_analyst_views(cursor)
        cursor.execute(sql.SQL("drop view if exists {}").format(view))
        cursor.execute(
            sql.SQL("alter table {} alter column {} type {}").format(
                past, sql.Identifier(wanted.name), sql.SQL(wanted.type)
            )
        )


def _typed(column: Column) -> sql.Composable:
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
