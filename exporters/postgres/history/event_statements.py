"""The statements that tell events, over `history_sides` and `history_broker_sides`."""

from __future__ import annotations

from psycopg import sql

# A second publication of a day tells the day anew, for what it touches.
SUPERSEDE = sql.SQL("""
update history.instrument_events as e set superseded_by = {publication}
where
    e.as_of_date = {as_of}
    and e.superseded_by is null
    and (
        e.instrument_id in (select instrument_id from history_instruments)
        or (e.broker, e.broker_token) in (select broker, broker_token from history_brokers)
    )
""")

ACTIVE = sql.SQL("""
create temporary table history_active on commit drop as
{now}
union
select h.before ->> 'canonical_id' from history.publication_changes as h
where
    h.publication_id = {publication} and h.table_name = {table}
    and h.before ->> 'canonical_id' is not null
""")

OF_INSTRUMENTS = sql.SQL("""
insert into history.instrument_events (
    publication_id, as_of_date, instrument_id, event, canonical_id, old_value, new_value,
    is_active, recorded_at
)
select
    {publication}, {as_of}, t.instrument_id, e.event, coalesce(t.new_id_text, t.old_id_text),
    e.old_value, e.new_value,
    coalesce(t.old_id_text in (select canonical_id from history_active), false)
    or coalesce(t.new_id_text in (select canonical_id from history_active), false),
    {published_at}
from (
    select
        h.instrument_id,
        h.has_new,
        h.has_before,
        h.day_before as was,
        h.new_row as now,
        case when h.has_before then (h.day_before).canonical_id end as old_id_text,
        case when h.has_new then (h.new_row).canonical_id end as new_id_text,
        exists (
            select from history.past_instrument_versions as p
            where p.instrument_id = h.instrument_id and p.superseded_by is null
        ) as is_known
    from history_sides as h
) as t
cross join lateral (
    values
    {rules}
) as e (event, is_so, old_value, new_value)
where
    e.is_so
    and (
        e.event <> 'listed'
        or t.new_id_text in (
            select (b.new_row).canonical_id from history_brokers as b
            where b.has_new and b.broker = any({known_brokers})
        )
    )
order by t.instrument_id, e.event
""")

SIDES = sql.SQL("""
create temporary table {sides} on commit drop as
select
    t.*,
    case when t.base_from is not null then t.base_row else t.old_row end as day_before,
    case when t.base_from is not null then t.base_id else t.old_id end as id_before
from {touched} as t
where
    not t.is_base_again
    and not (t.has_new and t.has_before and t.is_same and t.old_from < {as_of})
""")

# Tokens of one broker for one instrument that went and came: paired in their order.
OF_BROKERS = sql.SQL("""
insert into history.instrument_events (
    publication_id, as_of_date, instrument_id, event, broker, broker_token, canonical_id,
    old_value, new_value, is_active, recorded_at
)
with sides as (
    select
        b.broker, b.exchange, b.broker_token,
        b.has_before, b.has_new, b.day_before as was, b.new_row as now,
        case when b.has_before then b.id_before end as id_before,
        case when b.has_new then b.new_id end as id_now
    from history_broker_sides as b
),

went as (
    select s.*, row_number() over (
        partition by s.broker, s.id_before order by s.exchange, s.broker_token
    ) as place
    from sides as s where s.id_before is not null and s.id_before is distinct from s.id_now
),

came as (
    select s.*, row_number() over (
        partition by s.broker, s.id_now order by s.exchange, s.broker_token
    ) as place
    from sides as s where s.id_now is not null and s.id_now is distinct from s.id_before
),

followed as (
    select s.broker, s.broker_token, s.id_now, s.was, s.now, s.broker_token as old_token
    from sides as s where s.id_now is not null and s.id_now = s.id_before
    union all
    select c.broker, c.broker_token, c.id_now, w.was, c.now, w.broker_token
    from came as c
    inner join went as w
        on w.broker = c.broker and w.id_before = c.id_now and w.place = c.place
),

told as (
    select
        f.broker, f.broker_token, f.id_now as instrument_id, (f.now).canonical_id, e.event,
        e.old_value, e.new_value
    from followed as f
    cross join lateral (
        values
        ('token_moved', f.old_token <> f.broker_token, f.old_token, f.broker_token),
        {rules}
    ) as e (event, is_so, old_value, new_value)
    where e.is_so
    union all
    select
        c.broker, c.broker_token, c.id_now, (c.now).canonical_id, 'token_reused',
        p.canonical_id, (c.now).canonical_id
    from came as c
    cross join lateral (
        select p.instrument_id, p.canonical_id
        from {past} as p
        where
            p.broker_token = c.broker_token and p.broker = c.broker and p.exchange = c.exchange
            and p.superseded_by is null and p.instrument_id is not null
        order by p.valid_to desc
        limit 1
    ) as p
    where p.instrument_id <> c.id_now
)

select
    {publication}, {as_of}, t.instrument_id, t.event, t.broker, t.broker_token, t.canonical_id,
    t.old_value, t.new_value,
    t.canonical_id in (select canonical_id from history_active)
    or t.instrument_id in (
        select i.instrument_id from history_instruments as i
        inner join history_active as a on a.canonical_id = i.old_canonical_id
    ),
    {published_at}
from told as t
-- What the instrument itself did is not told again of the broker.
where
    (t.instrument_id, t.event, coalesce(t.old_value, ''), coalesce(t.new_value, '')) not in (
        select e.instrument_id, e.event, coalesce(e.old_value, ''), coalesce(e.new_value, '')
        from history.instrument_events as e
        where greatest(e.publication_id, e.superseded_by) = {publication} and e.broker is null
            and e.superseded_by is null
    )
    and not (
        t.event = 'renamed'
        and t.instrument_id in (
            select e.instrument_id from history.instrument_events as e
            where greatest(e.publication_id, e.superseded_by) = {publication}
                and e.event = 'series_changed' and e.superseded_by is null
        )
    )
order by t.instrument_id, t.event, t.broker, t.broker_token
""")
