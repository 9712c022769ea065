"""Views over history for people's questions: lots over time, and what came and went by day.

They stand in schema `history`, not among the published models: what they tell is older than any
candidate, and a build of fewer feeds leaves it alone.
"""

from __future__ import annotations

import hashlib

from psycopg import errors, sql

from exporters.postgres.catalog import read_relations
from exporters.postgres.session import Cursor
from exporters.postgres.views import Rights, drop_view, give_back

SCHEMA = "history"

# What the views read of `instrument_versions` beside its own columns.
READ = frozenset(
    {"exchange", "kind", "underlying", "reference_broker", "expiry_date", "lot_size"}
)  # fmt: skip

# The days of all contracts of an expiry with one lot, joined where they touch or overlap: strikes
# are listed day by day, and a lot is the expiry's. Brokers count some lots in units of their own,
# so that a contract that only another broker lists stands apart.
_LOT_SIZE_TIMELINE = """
with held as (
    select
        exchange, underlying, kind, expiry_date, reference_broker, lot_size, instrument_id,
        daterange(valid_from, valid_to) as days
    from history.instrument_versions
    where superseded_by is null and kind in ('future', 'option')
),

spells as (
    select
        exchange, underlying, kind, expiry_date, reference_broker, lot_size,
        unnest(range_agg(days)) as days
    from held
    where lot_size is not null
    group by exchange, underlying, kind, expiry_date, reference_broker, lot_size
)

select
    spells.exchange, spells.underlying, spells.kind, spells.expiry_date,
    spells.reference_broker, spells.lot_size, count(distinct held.instrument_id) as contracts,
    lower(spells.days) as valid_from, upper(spells.days) as valid_to
from spells
-- one spell to its contracts
inner join held
    on
        spells.exchange = held.exchange
        and spells.underlying = held.underlying
        and spells.kind = held.kind
        and spells.expiry_date = held.expiry_date
        and spells.reference_broker is not distinct from held.reference_broker
        and spells.lot_size = held.lot_size
        and spells.days @> held.days
group by
    spells.exchange, spells.underlying, spells.kind, spells.expiry_date,
    spells.reference_broker, spells.lot_size, spells.days
"""

_LISTINGS_BY_DAY = """
with instruments as (
    select distinct on (instrument_id)
        instrument_id, exchange, kind, underlying
    from history.instrument_versions
    order by instrument_id, superseded_by is not null, valid_from desc
)

select
    events.as_of_date, instruments.exchange, instruments.kind, instruments.underlying,
    count(*) filter (where events.event = 'listed') as listed,
    count(*) filter (where events.event = 'relisted') as relisted,
    count(*) filter (where events.event = 'delisted') as delisted,
    count(*) filter (where events.event = 'expired') as expired
from history.instrument_events as events
-- many events to one instrument
inner join instruments
    on events.instrument_id = instruments.instrument_id
where
    events.superseded_by is null
    -- of the instrument itself, not of one broker's row of it
    and events.broker is null
    and events.event in ('listed', 'relisted', 'delisted', 'expired')
group by events.as_of_date, instruments.exchange, instruments.kind, instruments.underlying
"""

# Name: (what it is, definition).
VIEWS = {
    "lot_size_timeline": (
        (
            "One row per exchange, underlying, kind, expiry, reference broker, lot and unbroken "
            "spell of days with it; valid_to is not included, null for now."
        ),
        _LOT_SIZE_TIMELINE,
    ),
    "listings_by_day": (
        (
            "One row per day, exchange, kind and underlying of which anything was listed, listed "
            "again, delisted or had expired: how many instruments."
        ),
        _LISTINGS_BY_DAY,
    ),
}


def drop_analyst_views(cursor: Cursor) -> None:
    """Make way for `instrument_versions`, on which they are built, to be made anew."""
    for name in VIEWS:
        cursor.execute(sql.SQL("drop view if exists {}").format(sql.Identifier(SCHEMA, name)))


def ensure_analyst_views(cursor: Cursor, columns: frozenset[str], rights: Rights) -> None:
    """Create those that are missing or were made by another definition; readers keep the others.

    Args:
        cursor: Inside the publication's transaction, `instrument_versions` having its shape.
        columns: Those that are remembered of instruments; without `READ` there is no view.
        rights: On views that had to step aside, by name.

    Raises:
        DestinationRefused: One loses or retypes a column, and somebody's view is built on it.
    """
    if not columns >= READ:
        return
    held = read_relations(cursor, SCHEMA, VIEWS)
    for name, (told, definition) in VIEWS.items():
        # The comment tells definitions apart: PostgreSQL keeps none of them as it was written.
        comment = f"{told} [{hashlib.sha256(definition.encode()).hexdigest()[:8]}]"
        if name in held and held[name].comment == comment:
            continue
        view = sql.Identifier(SCHEMA, name)
        made = sql.SQL("create or replace view {} as {}").format(view, sql.SQL(definition))
        try:
            with cursor.connection.transaction():
                cursor.execute(made)
            given = rights.get(name, ())
        except errors.InvalidTableDefinition:
            given = drop_view(cursor, held[name])
            cursor.execute(made)
        give_back(cursor, view, given)
        cursor.execute(sql.SQL("comment on view {} is {}").format(view, sql.Literal(comment)))
