"""The statements that put earlier days before a history, over copies of the days' own history.

`side_...` are those copies, as they were written beside; `earlier_...` is what becomes of them.
{first} and {first_day} are the publication with which the history began, and its day.
"""

from __future__ import annotations

from psycopg import sql

COPY_OF = sql.SQL("""
create temporary table {side} on commit drop as
select {columns} from {source} where false
""")

# A day's publications have one number, which counts down from the first one's.
DAYS = sql.SQL("""
create temporary table earlier_days on commit drop as
select
    publication_id as side_number, as_of_date,
    {first} + 1 - dense_rank() over (order by as_of_date desc) as number
from side_publications
""")

RECORD_DAYS = sql.SQL("""
insert into ops.publications (
    publication_id, published_at, as_of_date, run_id, filter, dump_sha256, fingerprint, rows_total,
    summary, brought_in_after
)
select distinct on (d.number)
    d.number, {published_at}, d.as_of_date, {run_id}, s.filter, s.dump_sha256, s.fingerprint,
    s.rows_total,
    -- Its loads are numbers of the database beside; nothing leads back to it.
    s.summary || jsonb_build_object('undo', 'pruned', 'feeds', (
        select coalesce(jsonb_object_agg(f.key, f.value || '{{"load_id": null}}'), '{{}}')
        from jsonb_each(s.summary -> 'feeds') as f
    )),
    (select max(publication_id) from ops.publications)
from side_publications as s
inner join earlier_days as d on d.side_number = s.publication_id
where d.as_of_date < {first_day}
order by d.number, s.publication_id desc
""")

# Which instrument each was:
# - what is there on the first day keeps the number that it has there;
# - what had left before, and is listed again after the first day, was the same instrument, by
#   the rule of the model instrument_continuity: its id, and the exchange token with which it
#   left; unless something with that id has left meanwhile, of which history knew;
# - everything else has a number that was never given.
IDS = sql.SQL("""
create temporary table earlier_ids on commit drop as
with there as (
    select s.side_id, v.instrument_id
    from side_instruments as s
    inner join history.instrument_versions as v
        on
            v.canonical_id = s.canonical_id and v.superseded_by is null
            and v.valid_from <= {first_day}
            and (v.valid_to is null or v.valid_to > {first_day})
    where s.valid_to is null
),

departed as (
    select
        b.side_id, b.canonical_id, b.broker, b.exchange, b.broker_token, b.exchange_token,
        rank() over (partition by b.canonical_id order by b.valid_to desc) as recency
    from side_brokers as b
    where
        b.side_id is not null and b.valid_to is not null
        and not exists (
            select from side_instruments as s
            where s.side_id = b.side_id and s.valid_to is null
        )
),

began as (
    select distinct on (v.instrument_id) v.instrument_id, v.canonical_id, v.valid_from
    from history.instrument_versions as v
    where v.superseded_by is null
    order by v.instrument_id, v.valid_from
),

arrived as (
    select distinct on (a.canonical_id) a.instrument_id, a.canonical_id, a.valid_from
    from began as a
    where
        a.valid_from > {first_day}
        and a.canonical_id in (select canonical_id from departed)
        and not exists (
            select from history.broker_instrument_versions as p
            where
                p.canonical_id = a.canonical_id and p.superseded_by is null
                and p.valid_to <= a.valid_from and p.instrument_id is not null
                and not exists (
                    select from history.instrument_versions as o
                    where
                        o.instrument_id = p.instrument_id and o.superseded_by is null
                        and o.valid_from < a.valid_from
                        and (o.valid_to is null or o.valid_to >= a.valid_from)
                )
        )
    order by a.canonical_id, a.valid_from
),

again as (
    select min(d.side_id) as side_id, a.instrument_id
    from arrived as a
    inner join departed as d on d.canonical_id = a.canonical_id and d.recency = 1
    inner join history.broker_instrument_versions as b
        on
            b.canonical_id = a.canonical_id and b.superseded_by is null
            and b.valid_from <= a.valid_from
            and (b.valid_to is null or b.valid_to > a.valid_from)
            and b.exchange = d.exchange
            and (
                b.exchange_token = d.exchange_token
                or (
                    b.exchange_token is null and d.exchange_token is null
                    and b.broker = d.broker and b.broker_token = d.broker_token
                )
            )
    group by a.instrument_id
    having count(distinct d.side_id) = 1
),

known as (
    select side_id, instrument_id, false as is_again from there
    union all
    select side_id, instrument_id, true from again
)

select side_id, instrument_id, is_again from known
union all
select n.side_id, {highest} + row_number() over (order by n.side_id), false
from (select distinct side_id from side_instruments) as n
where not exists (select from known as k where k.side_id = n.side_id)
""")

# A version that holds on the first day and still did the day before is one version, if it is the
# only one that was ever told of that day: a rollback finds the others as they were.
VERSIONS = sql.SQL("""
create temporary table {first_rows} on commit drop as
select v.*, count(*) over (partition by {row_of_v}) as told
from {view} as v
where v.valid_from = {first_day};
analyze {first_rows};

create temporary table {earlier} on commit drop as
select
    s.*, i.instrument_id, b.number as begun_by, coalesce(e.number, {first}) as ended_by,
    coalesce(
        f.publication_id = {first}
        and f.instrument_id is not distinct from i.instrument_id
        and row({side_values}) is not distinct from row({first_values}),
        false
    ) as goes_on
from {side} as s
left join earlier_ids as i on i.side_id = s.side_id
inner join earlier_days as b on b.side_number = s.publication_id
left join earlier_days as e on e.side_number = s.closed_by
left join {first_rows} as f
    on s.valid_to is null and f.told = 1 and f.superseded_by is null and {same_row}
where s.valid_from < {first_day};
analyze {earlier};
""")

PUT_BEFORE = sql.SQL("""
insert into {past} (
    instrument_id, {columns}, valid_from, valid_to, recorded_at, publication_id, closed_by
)
select
    t.instrument_id, {values}, t.valid_from, coalesce(t.valid_to, {first_day}), {published_at},
    t.begun_by, t.ended_by
from {earlier} as t
where not t.goes_on
""")

REACH_BACK = sql.SQL("""
update {current} as c set valid_from = t.valid_from, publication_id = t.begun_by
from {earlier} as t
where t.goes_on and {same_current} and c.valid_from = {first_day};

update {past} as p
set valid_from = t.valid_from, publication_id = t.begun_by, recorded_at = {published_at}
from {earlier} as t
where
    t.goes_on and {same_past} and p.valid_from = {first_day} and p.superseded_by is null;
""")

# What happened on the first day needs the row of that day that it is told of.
EVENTS = sql.SQL("""
insert into history.instrument_events ({columns}, publication_id, recorded_at)
select {values}, d.number, {published_at}
from (
    select s.*, i.instrument_id
    from side_events as s
    inner join earlier_ids as i on i.side_id = s.side_id
) as t
inner join earlier_days as d on d.side_number = t.publication_id
where
    t.as_of_date < {first_day}
    or t.event in ('delisted', 'expired')
    or t.broker is null and exists (
        select from history.instrument_versions as v
        where
            v.instrument_id = t.instrument_id and v.valid_from = t.as_of_date
            and v.superseded_by is null
    )
    or exists (
        select from history.broker_instrument_versions as v
        where
            v.broker = t.broker and v.broker_token = t.broker_token
            and v.instrument_id = t.instrument_id and v.valid_from = t.as_of_date
            and v.superseded_by is null
    )
order by t.event_id
""")

# What was told since, without knowing of the earlier days.
RELISTED = sql.SQL("""
update history.instrument_events as e set event = 'relisted'
where
    e.event = 'listed' and e.as_of_date > {first_day}
    and (
        e.broker is null
        and e.instrument_id in (select instrument_id from earlier_ids where is_again)
        or exists (
            select from earlier_brokers as b
            where b.instrument_id = e.instrument_id and b.broker = e.broker
        )
    )
""")

REUSED = sql.SQL("""
insert into history.instrument_events (
    publication_id, as_of_date, instrument_id, event, broker, broker_token, canonical_id,
    old_value, new_value, is_active, recorded_at
)
select distinct on (e.as_of_date, b.broker, b.exchange, b.broker_token)
    e.publication_id, e.as_of_date, e.instrument_id, 'token_reused', b.broker, b.broker_token,
    b.canonical_id, p.canonical_id, b.canonical_id, e.is_active, {published_at}
from history.instrument_events as e
inner join history.broker_instrument_versions as b
    on
        b.instrument_id = e.instrument_id and b.valid_from = e.as_of_date
        and b.superseded_by is null
        and (e.broker is null or b.broker = e.broker and b.broker_token = e.broker_token)
cross join lateral (
    select p.instrument_id, p.canonical_id, p.valid_to
    from {past} as p
    where
        p.broker_token = b.broker_token and p.broker = b.broker and p.exchange = b.exchange
        and p.superseded_by is null and p.instrument_id is not null
        and p.valid_to <= b.valid_from
    order by p.valid_to desc
    limit 1
) as p
where
    e.event in ('listed', 'relisted') and e.superseded_by is null
    and e.as_of_date > {first_day}
    -- A later row with the token was found when the event was told.
    and p.valid_to <= {first_day} and p.instrument_id <> e.instrument_id
    -- A broker that was not read before has brought no news.
    and exists (
        select from history.broker_instrument_versions as k
        where
            k.broker = b.broker and k.superseded_by is null and k.valid_from < e.as_of_date
            and (k.valid_to is null or k.valid_to >= e.as_of_date)
    )
""")
