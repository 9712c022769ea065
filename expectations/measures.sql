-- What the rules read: small temporary tables of the audit's session, each filled by one pass
-- over a big relation, so that forty rules cost a handful of scans.
-- Placeholders: {candidate} {staging} schemas, {published} a relation or an empty stand-in,
-- {as_of} the trading day, {other_feeds} the brokers beside Kite (none where it is alone),
-- {build_feeds} and {landed_feeds} relations or stand-ins. `edition` is 'candidate' or 'published'
-- (the last publication). Kite's rows are measured apart from the others': most rules are about
-- the tokens that are streamed, and those are Kite's. What only the rules on other brokers read is in
-- measures_of_feeds.sql.

create temporary table measure_contracts as
with editions as (
    select 'candidate' as edition, exchange, segment, instrument_type, name, expiry_date,
        strike, lot_size, tick_size_inr
    from {candidate}.broker_instruments
    where broker = 'kite'
    union all
    select 'published' as edition, exchange, segment, instrument_type, name, expiry_date,
        strike, lot_size, tick_size_inr
    from {published}
    where broker = 'kite'
),

counted as (
    select
        edition,
        exchange,
        segment,
        instrument_type,
        -- shares are thousands of names, and none of them is a focus contract
        case when expiry_date is not null then name end as underlying,
        expiry_date,
        count(*) as rows,
        count(*) filter (where lot_size is null or lot_size <= 0) as rows_without_lot,
        count(*) filter (where tick_size_inr is null or tick_size_inr <= 0)
            as rows_without_tick,
        count(*) filter (where strike <> trunc(strike)) as rows_decimal_strike,
        count(*) filter (
            where (instrument_type in ('CE', 'PE') and (strike is null or strike <= 0))
            or (instrument_type in ('CE', 'PE', 'FUT') and expiry_date is null)
        ) as rows_without_terms
    from editions
    group by edition, exchange, segment, instrument_type, underlying, expiry_date
)

select
    counted.edition,
    counted.exchange,
    counted.segment,
    counted.instrument_type,
    counted.underlying,
    focus.underlying is not null as is_focus,
    counted.expiry_date,
    coalesce(counted.expiry_date >= {as_of}, true) as is_live,
    counted.rows,
    counted.rows_without_lot,
    counted.rows_without_tick,
    counted.rows_decimal_strike,
    counted.rows_without_terms
from counted
-- many to one: the seed names an underlying once an exchange
left join {candidate}.focus_underlyings as focus
    on counted.underlying = focus.underlying and counted.exchange = focus.exchange;

create temporary table measure_segments as
select
    exchange,
    segment,
    coalesce(sum(rows) filter (where edition = 'candidate'), 0)::bigint as rows_in_dump,
    coalesce(sum(rows) filter (where edition = 'candidate' and is_live), 0)::bigint as rows_now,
    coalesce(sum(rows) filter (where edition = 'published' and is_live), 0)::bigint
        as rows_before,
    coalesce(sum(rows) filter (where edition = 'published' and not is_live), 0)::bigint
        as rows_expired
from measure_contracts
group by exchange, segment;

create temporary table measure_matches as
select
    broker,
    exchange,
    match_status,
    coalesce(expiry_date >= {as_of}, true) as is_live,
    count(*) as rows
from {candidate}.broker_instruments
where broker = any({other_feeds}::text [])
group by broker, exchange, match_status, is_live;

create temporary table measure_exchanges as
with counted as (
    select 'kite' as broker, exchange, rows_in_dump, rows_now, rows_before, rows_expired
    from measure_segments
    union all
    select
        broker,
        exchange,
        rows as rows_in_dump,
        case when is_live then rows else 0 end as rows_now,
        0 as rows_before,
        0 as rows_expired
    from measure_matches
    union all
    select
        broker,
        exchange,
        0 as rows_in_dump,
        0 as rows_now,
        count(*) filter (where coalesce(expiry_date >= {as_of}, true)) as rows_before,
        count(*) filter (where expiry_date < {as_of}) as rows_expired
    from {published}
    where broker = any({other_feeds}::text [])
    group by broker, exchange
)

select
    broker,
    exchange,
    case when broker = 'kite' then exchange else broker || ' ' || exchange end as place,
    sum(rows_in_dump)::bigint as rows_in_dump,
    sum(rows_now)::bigint as rows_now,
    sum(rows_before)::bigint as rows_before,
    sum(rows_expired)::bigint as rows_expired,
    sum(rows_now) / nullif(sum(rows_before), 0) as ratio
from counted
group by broker, exchange;

create temporary table measure_repeats as
with tokens as (
    select instrument_token
    from {staging}.kite_instruments
    group by instrument_token
    having count(*) > 1
),

symbols as (
    select exchange, tradingsymbol
    from {staging}.kite_instruments
    group by exchange, tradingsymbol
    having count(*) > 1
),

repeated as (
    select 'token' as repeats, landed.instrument_token as repeated_value, landed._line_number,
        landed.instrument_token, landed.tradingsymbol, landed.name, landed.segment,
        landed.exchange
    from {staging}.kite_instruments as landed
    inner join tokens on landed.instrument_token = tokens.instrument_token
    union all
    select 'symbol' as repeats, landed.exchange || ':' || landed.tradingsymbol as repeated_value,
        landed._line_number, landed.instrument_token, landed.tradingsymbol, landed.name,
        landed.segment, landed.exchange
    from {staging}.kite_instruments as landed
    inner join symbols
        on landed.exchange = symbols.exchange and landed.tradingsymbol = symbols.tradingsymbol
    -- the same token twice is told as a repeated token, not again as a repeated symbol
    where landed.instrument_token not in (select instrument_token from tokens)
)

select
    repeated.*,
    bool_or(focus.underlying is not null)
        over (partition by repeated.repeats, repeated.repeated_value) as is_focus
from repeated
left join {candidate}.focus_underlyings as focus
    on repeated.name = focus.underlying and repeated.exchange = focus.exchange;

create temporary table measure_relations as
select 'staging.kite_instruments' as relation, count(*) as rows
from {staging}.kite_instruments
union all
select 'broker_instruments', count(*)
from {candidate}.broker_instruments
where broker = 'kite'
union all
select 'instruments', count(*) from {candidate}.instruments
union all
select 'exp_redis__instruments', count(*) from {candidate}.exp_redis__instruments
union all
select 'exp_postgres__instruments', count(*) from {candidate}.exp_postgres__instruments
union all
select 'exp_json__token_lookup', count(*) from {candidate}.exp_json__token_lookup
union all
select 'active_subscriptions', count(*) from {candidate}.active_subscriptions
union all
select 'rejected_rows', count(distinct line_number)
from {candidate}.rejected_rows
where feed = 'kite'
union all
select 'withheld_rows', count(distinct instrument_token)
from {candidate}.withheld_rows
where destination = 'postgres';

create temporary table measure_changes as
select
    change,
    count(*) as rows,
    count(*) filter (where is_active) as rows_active
from {candidate}.instrument_changes
group by change;

-- One row a feed: whose day it is, and where its landed rows went. Kite's own are in
-- measure_relations, and null here.
create temporary table measure_feeds as
with feeds as (
    select 'kite' as feed
    union all
    select unnest({other_feeds}::text [])
),

-- The first day on which the very file of each feed was had: a broker that serves an old one day
-- after day lands it anew each time. Kite's is judged by dump-is-new.
builds as (
    select
        build.feed,
        build.load_id,
        build.as_of_date,
        build.is_stale,
        least(build.as_of_date, min(same.as_of_date)) as same_file_since
    from {build_feeds} as build
    -- one to one, or none
    left join {loads} as own on build.load_id = own.load_id and build.feed <> 'kite'
    -- one to every landing of the same bytes
    left join {loads} as same
        on own.feed = same.feed and own.sha256 = same.sha256 and same.status = 'landed'
    group by build.feed, build.load_id, build.as_of_date, build.is_stale
),

published as (
    select broker, sum(rows_in_dump) as rows
    from measure_exchanges
    group by broker
),

rejected as (
    select feed, count(distinct line_number) as rows
    from {candidate}.rejected_rows
    group by feed
),

repeated as (
    select feed, count(*) as rows
    from {candidate}.repeated_rows
    where repeats = 'token'
    group by feed
),

excluded as (
    select feed, sum(excluded_rows) as rows
    from {candidate}.excluded_rows
    group by feed
),

covered as (
    select feed, sum(covered_rows) as rows
    from {candidate}.broker_coverage
    group by feed
)

select
    feeds.feed,
    build.load_id,
    build.as_of_date,
    build.is_stale,
    build.same_file_since,
    (
        select count(*)
        from generate_series(build.same_file_since + 1, {as_of}::date, interval '1 day') as days (day)
        where extract(isodow from days.day) < 6
    ) as trading_days_old,
    landed.rows as landed,
    coalesce(published.rows, 0)::bigint as published,
    coalesce(rejected.rows, 0) as rejected,
    coalesce(repeated.rows, 0) as repeated,
    coalesce(excluded.rows, 0)::bigint as excluded,
    coalesce(covered.rows, 0)::bigint as covered
from feeds
-- one to one, or none: the marts may hold a broker that is no feed of this build
left join builds as build on feeds.feed = build.feed
left join {landed_feeds} as landed on feeds.feed = landed.feed
left join published on feeds.feed = published.broker
left join rejected on feeds.feed = rejected.feed
left join repeated on feeds.feed = repeated.feed
left join excluded on feeds.feed = excluded.feed
left join covered on feeds.feed = covered.feed;
