-- Two brokers beside Kite, made from its rows: Upstox lists all of it, and MCX besides, which
-- nobody before it does; Dhan lists NSE and NFO. Run after candidate.sql.

create schema if not exists ops;

create table ops.build_feeds (
    feed text primary key, load_id bigint, as_of_date date not null, is_stale boolean not null
);
insert into ops.build_feeds
select feeds.feed, feeds.load_id, parameters.as_of, false
from pg_temp.parameters
cross join (values ('kite', 2), ('dhan', 3), ('upstox', 4)) as feeds (feed, load_id);

insert into candidate.broker_instruments (
    broker, canonical_id, exchange_token, tradingsymbol, name, exchange, segment, instrument_type,
    expiry_date, strike, tick_size_inr, lot_size, is_symbol_agreed, broker_token, match_status,
    match_reason, is_stale
)
select
    brokers.broker, kite.canonical_id, kite.exchange_token, kite.tradingsymbol || ' there',
    kite.name, kite.exchange, brokers.prefix || kite.segment, kite.instrument_type,
    kite.expiry_date, kite.strike, kite.tick_size_inr, kite.lot_size, true,
    brokers.prefix || kite.exchange_token || kite.instrument_token,
    case when kite.segment = 'INDICES' then 'matched_terms_only' else 'matched' end,
    case when kite.segment = 'INDICES' then 'the index has another number here' end,
    false
from candidate.broker_instruments as kite
cross join (values ('upstox', 'U|'), ('dhan', 'D|')) as brokers (broker, prefix)
where kite.broker = 'kite' and (brokers.broker = 'upstox' or kite.exchange in ('NSE', 'NFO'));

insert into candidate.broker_instruments (
    broker, canonical_id, exchange_token, tradingsymbol, name, exchange, segment, instrument_type,
    expiry_date, strike, tick_size_inr, lot_size, broker_token, match_status, match_reason, is_stale
)
select
    'upstox', 'MCX:GOLD:' || parameters.as_of + number || ':FUT', 400000 + number, 'GOLD' || number,
    'GOLD', 'MCX', 'MCX_FO', 'FUT', parameters.as_of + number, null, 1, 100, 'MCX|' || number,
    'unmatched', 'no earlier feed lists the exchange', false
from pg_temp.parameters
cross join generate_series(1, 60) as number;

insert into candidate.instruments
select
    canonical_id, exchange, segment, 'future', name, tradingsymbol, name, expiry_date, strike,
    lot_size, tick_size_inr
from candidate.broker_instruments
where broker = 'upstox' and exchange = 'MCX';

create table candidate.broker_instrument_changes (
    broker text, exchange text, broker_token text, change text, canonical_id text,
    tradingsymbol text, old_value text, new_value text, is_active boolean, as_of_date date,
    primary key (broker, exchange, broker_token, change)
);

insert into candidate.excluded_rows
values ('dhan', 'NSE', 'test symbol', 2, '{011NSETEST,021NSETEST}');
insert into candidate.repeated_rows
values ('upstox', 3, 2, 'token', null, 'SHARE1 there', 'NSE', 'U|NSE', 'repeated');

-- What landed: the rows above, what was left out, and one row twice.
create table staging.upstox_instruments as
select 4 as _load_id, row_number() over () + 1 as _line_number
from (
    select 1 from candidate.broker_instruments
    where broker = 'upstox'
    union all
    select 1
) as landed;

create table staging.dhan_instruments as
select 3 as _load_id, row_number() over () + 1 as _line_number
from (
    select 1 from candidate.broker_instruments
    where broker = 'dhan'
    union all
    select 1 from generate_series(1, 2)
) as landed;

insert into candidate.broker_coverage
select
    broker, exchange,
    case
        when segment like '%INDICES' then 'index'
        when instrument_type = 'EQ' then 'cash'
        when instrument_type = 'FUT' then 'future'
        else 'option'
    end as kind,
    match_status, coalesce(match_reason, ''),
    (array_agg(tradingsymbol order by broker_token))[:5], false, count(*), parameters.as_of
from candidate.broker_instruments
cross join pg_temp.parameters
where broker <> 'kite'
group by broker, exchange, kind, match_status, match_reason, parameters.as_of
union all
select
    feed, exchange, '', 'excluded', exclusion_reason, samples, false, excluded_rows,
    parameters.as_of
from candidate.excluded_rows
cross join pg_temp.parameters
union all
select
    feed, exchange, 'cash', 'repeated', 'same token as another row', array[tradingsymbol], false,
    1, parameters.as_of
from candidate.repeated_rows
cross join pg_temp.parameters
where feed <> 'kite';
