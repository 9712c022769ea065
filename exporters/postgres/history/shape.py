"""The tables, views and functions of schema `history`, in the shape of the published tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from exporters.postgres import rows
from exporters.postgres.catalog import Column, Relation, read_relations
from exporters.postgres.history.analyst_views import drop_analyst_views, ensure_analyst_views
from exporters.postgres.request import BROKER_INSTRUMENTS, PUBLISHED_SCHEMA
from exporters.postgres.session import Cursor

INSTRUMENTS = "instruments"
SCHEMA = "history"

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

_VIEW = sql.SQL("""
create view {view} as
select
    p.instrument_id, {past_columns}, p.valid_from, p.valid_to, p.recorded_at, p.publication_id,
    p.closed_by, p.superseded_by
from {past} as p
union all
select
    {instrument_id}, {columns}, c.valid_from, null::date, u.published_at, c.publication_id,
    null::bigint, null::bigint
from {current} as c
inner join {published} as m on {same_key}
{identity}
inner join ops.publications as u on u.publication_id = c.publication_id
""")

# None for a row of which nobody can say which instrument it is.
_IDENTITY = sql.SQL("left join history.current_instruments as i on i.canonical_id = m.canonical_id")

_BELIEVED = sql.SQL("""
create function {function}({arguments}) returns table ({returned})
language sql stable rows 100000 as {body}
""")

_AS_OF = """
select v.* from {view} as v
where v.superseded_by is null and v.valid_from <= day and (v.valid_to is null or v.valid_to > day)
"""

_AS_SEEN = """
select v.* from {view} as v
where
    v.publication_id <= publication
    and (v.superseded_by is null or v.superseded_by > publication)
    and v.valid_from <= day
    and (v.valid_to is null or v.valid_to > day or v.closed_by > publication)
"""

_META = (
    ("valid_from", "date"), ("valid_to", "date"), ("recorded_at", "timestamptz"),
    ("publication_id", "bigint"), ("closed_by", "bigint"), ("superseded_by", "bigint"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Versioned:
    """A published table whose rows are remembered.

    Attributes:
        published: The table.
        columns: Those that are remembered; a change of another is no new version.
        compared: Those by which versions are told apart: all but what this publication added.
        past: Where its versions go that have ended.
        current: Since when each of its rows holds.
    """

    published: Relation
    columns: tuple[Column, ...]
    compared: tuple[str, ...]
    past: sql.Identifier
    current: sql.Identifier

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    @property
    def is_of_brokers(self) -> bool:
        """Whether its rows are a broker's, told apart by the broker's token."""
        return self.published.name == BROKER_INSTRUMENTS

    def has(self, name: str) -> bool:
        """Whether a column is remembered."""
        return name in self.names


def ensure_history(cursor: Cursor) -> tuple[Versioned, Versioned] | None:
    """Create what is missing, and follow columns that the published tables have gained.

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
        _ensure_view(cursor, one)
    ensure_analyst_views(cursor, frozenset(versioned[0].names))
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


def _ensure_view(cursor: Cursor, versioned: Versioned) -> None:
    noun = "broker_instrument" if versioned.is_of_brokers else "instrument"
    name = f"{noun}_versions"
    held = read_relations(cursor, SCHEMA, [name]).get(name)
    shape = [("instrument_id", "bigint"), *((c.name, c.type) for c in versioned.columns)]
    if held is not None:
        seen = [(column.name, column.type) for column in held.columns]
        if seen[: -len(_META)] == shape:
            return
    view = sql.Identifier(SCHEMA, name)
    drop_analyst_views(cursor)
    cursor.execute(sql.SQL("drop view if exists {}").format(view))
    cursor.execute(
        _VIEW.format(
            view=view,
            past=versioned.past,
            current=versioned.current,
            published=versioned.published.identifier,
            past_columns=rows.columns(versioned.names, "p"),
            columns=rows.columns(versioned.names, "m"),
            same_key=rows.same_key(versioned.published.key, "m", "c"),
            instrument_id=sql.Identifier("i" if versioned.is_of_brokers else "c", "instrument_id"),
            identity=_IDENTITY if versioned.is_of_brokers else sql.SQL(""),
        )
    )
    for function, arguments, body in (
        (f"{noun}s_as_of", "day date", _AS_OF),
        (f"{noun}s_as_seen", "day date, publication bigint", _AS_SEEN),
    ):
        _make_function(cursor, function, arguments, body.format(view=view.as_string()), shape)


def _make_function(
    cursor: Cursor, name: str, arguments: str, body: str, shape: list[tuple[str, str]]
) -> None:
    function = sql.Identifier(SCHEMA, name)
    types = sql.SQL(", ".join(part.split()[1] for part in arguments.split(", ")))
    cursor.execute(sql.SQL("drop function if exists {}({})").format(function, types))
    returned = rows.COMMA.join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
        for column, kind in (*shape, *_META)
    )
    cursor.execute(
        _BELIEVED.format(
            function=function,
            arguments=sql.SQL(arguments),
            returned=returned,
            body=sql.Literal(body),
        )
    )
