"""What must hold in schema `history` after whatever happened: each query finds what does not."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import tuple_row

_OVERLAP = """
select a.{key}, a.valid_from, a.valid_to, b.valid_from, b.valid_to
from history.{versions} as a
inner join history.{versions} as b
    on (a.{row}) = (b.{row})
    and (a.valid_from, a.publication_id) < (b.valid_from, b.publication_id)
    and daterange(a.valid_from, a.valid_to) && daterange(b.valid_from, b.valid_to)
where a.superseded_by is null and b.superseded_by is null
"""

CHECKS = {
    "versions of an instrument overlap": _OVERLAP.format(
        versions="instrument_versions", key="instrument_id", row="instrument_id"
    ),
    "versions of a canonical id overlap": _OVERLAP.format(
        versions="instrument_versions", key="canonical_id", row="canonical_id"
    ),
    "versions of a broker's row overlap": _OVERLAP.format(
        versions="broker_instrument_versions",
        key="broker_token",
        row="broker, a.exchange, a.broker_token",
    ).replace("(b.broker, a.exchange, a.broker_token)", "(b.broker, b.exchange, b.broker_token)"),
    "an open version is not what is published": """
        select coalesce(v.canonical_id, m.canonical_id), v.instrument_id
        from (
            select * from history.instrument_versions
            where valid_to is null and superseded_by is null
        ) as v
        full join marts.instruments as m on m.canonical_id = v.canonical_id
        where
            m.canonical_id is null or v.canonical_id is null
            or (to_jsonb(v) - array['instrument_id', 'valid_from', 'valid_to', 'recorded_at',
                'publication_id', 'closed_by', 'superseded_by']) <> to_jsonb(m)
    """,
    "an open broker version is not what is published": """
        select coalesce(v.broker_token, m.broker_token), v.instrument_id
        from (
            select * from history.broker_instrument_versions
            where valid_to is null and superseded_by is null
        ) as v
        full join marts.broker_instruments as m
            on m.broker = v.broker and m.exchange = v.exchange
            and m.broker_token = v.broker_token
        left join history.current_instruments as i on i.canonical_id = m.canonical_id
        where
            m.broker is null or v.broker is null
            or v.instrument_id is distinct from i.instrument_id
            or v.tradingsymbol <> m.tradingsymbol
            or v.lot_size is distinct from m.lot_size
    """,
    "a current row is repeated": """
        select broker, exchange, broker_token from history.current_broker_instruments
        group by broker, exchange, broker_token having count(*) > 1
        union all
        select canonical_id, null, null from history.current_instruments
        group by canonical_id having count(*) > 1
    """,
    "an event lacks a side": """
        select e.event, e.canonical_id, e.as_of_date
        from history.instrument_events as e
        cross join lateral (
            select
                exists (
                    select from history.instrument_versions as v
                    where v.instrument_id = e.instrument_id and v.superseded_by is null
                    and v.valid_to = e.as_of_date
                ) as has_old,
                exists (
                    select from history.instrument_versions as v
                    where v.instrument_id = e.instrument_id and v.superseded_by is null
                    and v.valid_from = e.as_of_date
                ) as has_new
        ) as sides
        where
            e.superseded_by is null
            and e.broker is null
            and (e.event not in ('listed', 'relisted') and not has_old
                or e.event not in ('delisted', 'expired') and not has_new)
    """,
    "a broker's event lacks a side": """
        select e.event, e.broker_token, e.as_of_date
        from history.instrument_events as e
        where
            e.superseded_by is null
            and e.broker is not null
            and not exists (
                select from history.broker_instrument_versions as v
                where v.instrument_id = e.instrument_id and v.broker = e.broker
                and v.broker_token = e.broker_token and v.superseded_by is null
                and e.as_of_date = case
                    when e.event in ('delisted', 'expired') then v.valid_to else v.valid_from
                end
            )
    """,
}


def violations(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """What does not hold, by the sentence that says so; empty when all is well."""
    found = {}
    with connection.transaction():
        cursor = connection.cursor(row_factory=tuple_row)
        # Of a whole dump nobody has counted the rows yet, and the planner takes them for a few.
        cursor.execute("set local enable_nestloop = off")
        for told, query in CHECKS.items():
            rows = cursor.execute(query.encode()).fetchall()
            if rows:
                found[told] = rows
    return found


# Each instrument is called by what it was first, each publication by its day.
_NAMES = """
with names as (
    select distinct on (instrument_id)
        instrument_id, format('%s of %s', canonical_id, valid_from) as name
    from history.instrument_versions
    where superseded_by is null
    order by instrument_id, valid_from
)

select
    to_jsonb(h) - array['recorded_at', 'event_id', 'instrument_id', 'publication_id', 'closed_by'],
    names.name, begun.as_of_date, ended.as_of_date
from history.{} as h
left join names on names.instrument_id = h.instrument_id
left join ops.publications as begun on begun.publication_id = h.publication_id
left join ops.publications as ended on ended.publication_id = {}
where h.superseded_by is null
order by h.canonical_id, names.name, h.{}, to_jsonb(h) ->> 'event', to_jsonb(h) ->> 'broker'
"""


def believed(warehouse: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """All that history believes, with neither numbers nor instants."""
    assert violations(warehouse) == {}
    return {
        name: warehouse.cursor(row_factory=tuple_row)
        .execute(_NAMES.format(name, ended, day).encode())
        .fetchall()
        for name, ended, day in (
            ("instrument_versions", "h.closed_by", "valid_from"),
            ("broker_instrument_versions", "h.closed_by", "valid_from"),
            ("instrument_events", "null", "as_of_date"),
        )
    }
