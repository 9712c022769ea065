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
        e.broker is null
        and e.instrument_id in (select instrument_id from history_instruments)
        or exists (
            select from history_brokers as b
            where
                b.broker = e.broker and b.broker_token = e.broker_token
                and e.instrument_id in (b.old_id, b.new_id, b.base_id)
        )
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
    -- It came or went with a row of a broker's; else it is the warehouse that reads another
    -- broker, or reads one no more.
    and (
        e.event not in ('listed', 'relisted', 'delisted', 'expired')
        or exists (
            select from history_broker_changes as c
            where
                c.instrument_id = t.instrument_id
                and c.change = case when t.has_new then 'came' else 'went' end
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

# What became of each broker's rows:
# - followed: the same instrument before and now; of tokens that went and came for one
#   instrument, paired in their order;
# - series: one share in two series, which are two instruments while brokers move it on
#   different days;
# - came, went: a row that was not there, or is there no more. A row that is there, and of which
#   nobody can say which instrument it is (or was), has neither come nor gone.
CHANGES = sql.SQL("""
create temporary table history_broker_changes on commit drop as
with sides as (
    select
        b.broker, b.exchange, b.broker_token, b.day_before as was, b.new_row as now,
        case when b.has_before then b.id_before end as id_before,
        case when b.has_new then b.new_id end as id_now,
        not b.has_new or coalesce((b.day_before).canonical_id <> (b.new_row).canonical_id, false)
            as is_gone,
        not b.has_before
        or coalesce((b.day_before).canonical_id <> (b.new_row).canonical_id, false) as is_there,
        {old_share} as old_share,
        {new_share} as new_share
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

gone as (
    select w.*
    from went as w
    where
        w.is_gone and w.broker = any({brokers_now})
        and not exists (
            select from came as c
            where c.broker = w.broker and c.id_now = w.id_before and c.place = w.place
        )
),

arrived as (
    select c.*
    from came as c
    where
        c.is_there and c.broker = any({brokers_before})
        and not exists (
            select from went as w
            where w.broker = c.broker and w.id_before = c.id_now and w.place = c.place
        )
),

reseries as (
    select
        a.broker, a.exchange, a.broker_token, g.broker_token as old_token, a.id_now, g.id_before,
        g.was, a.now,
        count(*) over (partition by a.broker, a.exchange, a.broker_token) as predecessors,
        count(*) over (partition by g.broker, g.exchange, g.broker_token) as successors
    from arrived as a
    inner join gone as g
        on
            g.broker = a.broker and g.exchange = a.exchange and g.old_share = a.new_share
            -- One id for both is a symbol that was given to another share.
            and (g.was).canonical_id <> (a.now).canonical_id
)

select 'followed' as change, s.broker, s.exchange, s.broker_token, s.broker_token as old_token,
    s.id_now as instrument_id, s.was, s.now
from sides as s
where s.id_now is not null and s.id_now = s.id_before
union all
select 'followed', c.broker, c.exchange, c.broker_token, w.broker_token, c.id_now, w.was, c.now
from came as c
inner join went as w on w.broker = c.broker and w.id_before = c.id_now and w.place = c.place
union all
select 'series', r.broker, r.exchange, r.broker_token, r.old_token, r.id_now, r.was, r.now
from reseries as r
where r.predecessors = 1 and r.successors = 1
union all
select 'came', a.broker, a.exchange, a.broker_token, null, a.id_now, null, a.now
from arrived as a
where not exists (
    select from reseries as r
    where
        r.broker = a.broker and r.exchange = a.exchange and r.broker_token = a.broker_token
        and r.predecessors = 1 and r.successors = 1
)
union all
select 'went', g.broker, g.exchange, g.broker_token, g.broker_token, g.id_before, g.was, null
from gone as g
where not exists (
    select from reseries as r
    where
        r.broker = g.broker and r.exchange = g.exchange and r.old_token = g.broker_token
        and r.predecessors = 1 and r.successors = 1
)
""")

OF_BROKERS = sql.SQL("""
insert into history.instrument_events (
    publication_id, as_of_date, instrument_id, event, broker, broker_token, canonical_id,
    old_value, new_value, is_active, recorded_at
)
with told as (
    select
        c.broker, c.broker_token, c.instrument_id,
        coalesce((c.now).canonical_id, (c.was).canonical_id) as canonical_id,
        e.event, e.old_value, e.new_value
    from (
        select
            h.*,
            exists (
                select from {past} as p
                where
                    p.instrument_id = h.instrument_id and p.broker = h.broker
                    and p.superseded_by is null
            ) as is_known
        from history_broker_changes as h
    ) as c
    cross join lateral (
        values
        {rules}
    ) as e (event, is_so, old_value, new_value)
    where e.is_so
    union all
    select
        c.broker, c.broker_token, c.instrument_id, (c.now).canonical_id, 'token_reused',
        p.canonical_id, (c.now).canonical_id
    from history_broker_changes as c
    cross join lateral (
        select p.instrument_id, p.canonical_id
        from {past} as p
        where
            p.broker_token = c.broker_token and p.broker = c.broker and p.exchange = c.exchange
            and p.superseded_by is null and p.instrument_id is not null
        order by p.valid_to desc
        limit 1
    ) as p
    where c.change = 'came' and p.instrument_id <> c.instrument_id
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
-- What the instrument itself did that day is not told again of the broker.
where not exists (
    select from history.instrument_events as e
    where
        e.instrument_id = t.instrument_id and e.as_of_date = {as_of}
        and e.broker is null and e.superseded_by is null
        and case
            when t.event in ('listed', 'relisted') then e.event in ('listed', 'relisted')
            when t.event in ('delisted', 'expired') then e.event in ('delisted', 'expired')
            else
                e.event = t.event
                and e.old_value is not distinct from t.old_value
                and e.new_value is not distinct from t.new_value
        end
)
order by t.instrument_id, t.event, t.broker, t.broker_token
""")
