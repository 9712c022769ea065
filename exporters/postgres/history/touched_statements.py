"""The statements that fill the temporary tables of what a publication touches."""

from __future__ import annotations

from psycopg import sql

# The rows as they were, from the undo log of this very publication.
BEFORE = sql.SQL("""
create temporary table {before} on commit drop as
select {key}, r as old_row
from history.publication_changes as h
cross join lateral jsonb_populate_record(null::{published}, h.before) as r
where h.publication_id = {publication} and h.table_name = {name} and h.before is not null
""")

NO_CONTINUITY = sql.SQL(
    "select null::text as canonical_id, null::text as continued_canonical_id,"
    " null::bigint as relisted_instrument_id where false"
)

TOUCHED_INSTRUMENTS = sql.SQL("""
create temporary table {touched} on commit drop as
with continuity as ({continuity}),

asked as (
    {keys}
    union
    select canonical_id from continuity
    union
    select continued_canonical_id from continuity where continued_canonical_id is not null
),

held as (
    select c.instrument_id, c.canonical_id, c.valid_from, c.publication_id
    from history.current_instruments as c
    inner join asked as a on a.canonical_id = c.canonical_id
),

claimed as (
    select
        a.canonical_id,
        t.canonical_id is null as is_by_spelling,
        case
            when t.canonical_id is null then same.instrument_id
            when t.continued_canonical_id is not null then continued.instrument_id
            when not exists (
                select from history.current_instruments as c
                where c.instrument_id = t.relisted_instrument_id
            ) then t.relisted_instrument_id
        end as instrument_id
    from asked as a
    -- By its key: a few thousand look-ups, where a join would read the table whole.
    cross join lateral (
        select m.canonical_id from {published} as m where m.canonical_id = a.canonical_id limit 1
    ) as m
    left join continuity as t on t.canonical_id = a.canonical_id
    left join held as same on same.canonical_id = a.canonical_id
    left join held as continued on continued.canonical_id = t.continued_canonical_id
),

-- One instrument to one id, whatever the claims are. What follows an instrument has it, rather
-- than what still goes by its old id: a broker that moves a share to another series a day late.
settled as (
    select
        canonical_id,
        case
            when
                row_number() over (
                    partition by instrument_id order by is_by_spelling, canonical_id
                ) = 1
            then instrument_id
        end as instrument_id
    from claimed
),

numbered as (
    select
        canonical_id,
        coalesce(
            instrument_id,
            {highest} + row_number() over (partition by instrument_id is null order by canonical_id)
        ) as instrument_id
    from settled
),

sides as (
    select
        coalesce(h.instrument_id, n.instrument_id) as instrument_id,
        h.canonical_id as old_canonical_id,
        n.canonical_id as new_canonical_id,
        h.instrument_id is not null as has_old,
        h.valid_from as old_from,
        h.publication_id as old_publication,
        n.instrument_id is not null as has_new
    from held as h
    full join numbered as n on n.instrument_id = h.instrument_id
)

select
    s.instrument_id, s.instrument_id as old_id, s.instrument_id as new_id,
    s.old_canonical_id, s.new_canonical_id,
    s.has_old, s.old_from, s.old_publication, s.has_new,
    coalesce(b.old_row, o.published_row) as old_row, n.published_row as new_row,
    {base}
from sides as s
left join {before} as b on b.canonical_id = s.old_canonical_id
left join lateral (
    select m as published_row from {published} as m
    where m.canonical_id = s.old_canonical_id limit 1
) as o on true
left join lateral (
    select m as published_row from {published} as m
    where m.canonical_id = s.new_canonical_id limit 1
) as n on true
left join {past} as p
    on p.instrument_id = s.instrument_id and p.superseded_by is null and p.valid_to = {as_of}
""")

# A canonical id may have become another instrument's while a broker's row is as it was.
GIVEN = """
select n.new_canonical_id
from history_instruments as n
inner join history_instruments as o on o.old_canonical_id = n.new_canonical_id
where n.instrument_id <> o.instrument_id
"""

OF_GIVEN = sql.SQL("""
    union
    select m.broker, m.exchange, m.broker_token
    from {published} as m
    where m.canonical_id = any({given})
""")

# What began and ended on the day itself, of instruments that are touched: a second publication of
# the day tells anew which broker did what.
OF_THE_DAY = sql.SQL("""
    union
    select m.broker, m.exchange, m.broker_token
    from {current} as c
    inner join {published} as m
        on
            m.broker = c.broker and m.exchange = c.exchange
            and m.broker_token = c.broker_token
    where
        c.valid_from = {as_of}
        and m.canonical_id in (select n.new_canonical_id from history_instruments as n)
    union
    select p.broker, p.exchange, p.broker_token
    from {past} as p
    where
        p.valid_to = {as_of} and p.superseded_by is null
        and p.instrument_id in (select n.instrument_id from history_instruments as n)
""")

TOUCHED_BROKERS = sql.SQL("""
create temporary table {touched} on commit drop as
with asked as (
    {keys}
    {of_given}
    {of_the_day}
),

sides as materialized (
    select
        a.broker, a.exchange, a.broker_token,
        c.broker is not null as has_old,
        c.valid_from as old_from,
        c.publication_id as old_publication,
        m.broker is not null as has_new,
        coalesce(b.old_row, m.published_row) as old_row,
        m.published_row as new_row,
        (coalesce(b.old_row, m.published_row)).canonical_id as old_canonical_id,
        (m.published_row).canonical_id as new_canonical_id
    from asked as a
    left join {current} as c
        on c.broker = a.broker and c.exchange = a.exchange and c.broker_token = a.broker_token
    left join lateral (
        select m as published_row, m.broker from {published} as m
        where
            m.broker = a.broker and m.exchange = a.exchange
            and m.broker_token = a.broker_token
        limit 1
    ) as m on true
    left join {before} as b
        on b.broker = a.broker and b.exchange = a.exchange and b.broker_token = a.broker_token
),

named as materialized (
    select old_canonical_id as canonical_id from sides where old_canonical_id is not null
    union
    select new_canonical_id from sides where new_canonical_id is not null
),

ids as materialized (
    select c.canonical_id, c.instrument_id
    from named as n
    inner join history.current_instruments as c on c.canonical_id = n.canonical_id
)

select
    s.broker, s.exchange, s.broker_token, s.has_old, s.old_from, s.old_publication, s.has_new,
    s.old_row, s.new_row,
    case when s.has_old then coalesce(was.instrument_id, old_is.instrument_id) end as old_id,
    case when s.has_new then new_is.instrument_id end as new_id,
    {base}
from sides as s
left join history_instruments as was
    on was.has_old and was.old_canonical_id = s.old_canonical_id
left join ids as old_is on old_is.canonical_id = s.old_canonical_id
left join ids as new_is on new_is.canonical_id = s.new_canonical_id
left join {past} as p
    on p.broker = s.broker and p.exchange = s.exchange and p.broker_token = s.broker_token
    and p.superseded_by is null and p.valid_to = {as_of}
""")

BASE = sql.SQL("""
    p.valid_from as base_from, p.instrument_id as base_id, p.publication_id as base_publication,
    case
        when p.valid_from is not null
        then jsonb_populate_record(null::{published}, to_jsonb(p))
    end as base_row
""")

# Judged when both sides stand side by side; the day before is what ended on the day, or what
# began earlier.
JUDGE = sql.SQL("""
alter table {touched}
    add column is_same boolean,
    add column is_base_again boolean not null default false,
    add column has_before boolean;
update {touched} as t
set
    is_same = t.has_old and t.has_new and t.old_id is not distinct from t.new_id
        and not ({old_differs}),
    has_before = coalesce(t.old_from < {as_of}, false) or t.base_from is not null;
update {touched} as t
set is_base_again = true
where
    t.base_from is not null and t.has_new and not t.is_same
    and t.base_id is not distinct from t.new_id and not ({base_differs});
""")
