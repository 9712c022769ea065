-- A candidate in the shape of the dbt models, derived from staging.kite_instruments alone.
-- The parameters are in the one-row table pg_temp.parameters (as_of, filter).

create schema if not exists candidate;

create table candidate.focus_underlyings (underlying text, exchange text);
insert into candidate.focus_underlyings
values ('NIFTY', 'NFO'), ('BANKNIFTY', 'NFO'), ('SENSEX', 'BFO');

create table candidate.subscription_filters (filter text, underlying text, segment text);
insert into candidate.subscription_filters
values
('nifty', 'NIFTY', 'NFO-OPT'), ('nifty', 'NIFTY', 'NFO-FUT'),
('banknifty', 'BANKNIFTY', 'NFO-OPT'), ('banknifty', 'BANKNIFTY', 'NFO-FUT'),
('sensex', 'SENSEX', 'BFO-OPT'), ('sensex', 'SENSEX', 'BFO-FUT'),
('reliance', 'RELIANCE', 'NSE'), ('nifty50', 'NIFTY 50', 'INDICES');

create table candidate.broker_instruments as
select
    'kite' as broker,
    instrument_token::int as instrument_token,
    case
        when segment = 'INDICES' then 'INDEX:' || tradingsymbol
        when instrument_type = 'EQ' then exchange || ':' || tradingsymbol
        when instrument_type = 'FUT' then exchange || ':' || name || ':' || expiry || ':FUT'
        else exchange || ':' || name || ':' || expiry || ':'
            || trim_scale(strike::numeric)::text || ':' || instrument_type
    end as canonical_id,
    exchange_token::int as exchange_token,
    tradingsymbol, name, exchange, segment, instrument_type,
    nullif(expiry, '')::date as expiry_date,
    case when instrument_type in ('CE', 'PE') then strike::numeric(18, 6) end as strike,
    tick_size::numeric(18, 6) as tick_size_inr,
    lot_size::numeric::int as lot_size,
    'plain' as symbol_form,
    true as is_symbol_agreed,
    instrument_token as broker_token,
    'reference' as match_status,
    null::text as match_reason,
    false as is_stale,
    null::date as stale_as_of_date
from staging.kite_instruments;
alter table candidate.broker_instruments add primary key (broker, exchange, broker_token);

create table candidate.instruments as
select distinct on (canonical_id)
    canonical_id, exchange, segment,
    case
        when segment = 'INDICES' then 'index'
        when instrument_type = 'EQ' then 'cash'
        when instrument_type = 'FUT' then 'future'
        else 'option'
    end as kind,
    case when instrument_type = 'EQ' then tradingsymbol else name end as underlying,
    tradingsymbol, name, expiry_date, strike, lot_size, tick_size_inr
from candidate.broker_instruments
where broker = 'kite'
order by canonical_id, instrument_token;
alter table candidate.instruments add primary key (canonical_id);

create table candidate.active_subscriptions as
select
    instruments.instrument_token, instruments.canonical_id, instruments.tradingsymbol,
    instruments.exchange, instruments.segment, instruments.name,
    row_number() over (order by landed._line_number)::int as subscription_position,
    'filter' as origin
from candidate.broker_instruments as instruments
inner join staging.kite_instruments as landed
    on instruments.instrument_token = landed.instrument_token::int
where exists (
    select 1
    from candidate.subscription_filters as filters
    inner join pg_temp.parameters on filters.filter = any(string_to_array(parameters.filter, ','))
    where
        filters.segment = instruments.segment
        and filters.underlying = case
            when instruments.instrument_type = 'EQ' then instruments.tradingsymbol
            else instruments.name
        end
);
alter table candidate.active_subscriptions add primary key (instrument_token);

create table candidate.focus_instruments as
select
    instruments.canonical_id, instruments.instrument_token, instruments.tradingsymbol,
    instruments.name as underlying, instruments.exchange,
    case when instruments.instrument_type = 'FUT' then 'future' else 'option' end as kind
from candidate.broker_instruments as instruments
inner join candidate.focus_underlyings as focus
    on instruments.name = focus.underlying and instruments.exchange = focus.exchange;

create table candidate.rejected_rows (
    feed text, line_number bigint, column_name text, value text, reason text,
    tradingsymbol text, exchange text, underlying text, is_focus_underlying boolean,
    primary key (feed, line_number, column_name)
);

create table candidate.repeated_rows (
    feed text, line_number bigint, kept_line_number bigint, repeats text,
    instrument_token int, tradingsymbol text, exchange text, segment text, reason text,
    primary key (feed, line_number)
);

create table candidate.instrument_changes (
    canonical_id text, change text, old_value text, new_value text, instrument_token int,
    tradingsymbol text, exchange text, is_active boolean
);

create table candidate.withheld_rows as
select
    'postgres' as destination, instrument_token,
    'strike does not fit numeric(12,2)' as reason, tradingsymbol, false as is_active
from candidate.broker_instruments
where strike <> round(strike, 2);

create table candidate.exp_redis__instruments as
select
    instrument_token, tradingsymbol, exchange, instrument_type, segment, name,
    coalesce(expiry_date::text, '') as expiry,
    case
        when coalesce(strike, 0) = 0 then '0'
        when strike = trunc(strike) then trunc(strike)::text || '.0'
        else trim_scale(strike)::text
    end as strike,
    case
        when coalesce(tick_size_inr, 0) = 0 then '0'
        else trim_scale(tick_size_inr)::text
    end as tick_size,
    lot_size::text as lot_size,
    exchange_token::text as exchange_token
from candidate.broker_instruments;
alter table candidate.exp_redis__instruments add primary key (instrument_token);

create table candidate.exp_dotenv__instruments as
select
    'INSTRUMENTS' as variable,
    string_agg(instrument_token::text, ',' order by subscription_position) as value,
    count(*)::int as tokens
from candidate.active_subscriptions
having count(*) > 0;

create view candidate.exp_postgres__instruments as
select
    instruments.instrument_token, instruments.exchange_token,
    instruments.tradingsymbol as trading_symbol, instruments.name, instruments.exchange,
    instruments.segment, instruments.instrument_type, instruments.expiry_date as expiry,
    instruments.strike::numeric(12, 2) as strike,
    instruments.tick_size_inr::numeric(10, 4) as tick_size, instruments.lot_size,
    active.instrument_token is not null as is_active, 'kite' as source
from candidate.broker_instruments as instruments
left join candidate.active_subscriptions as active
    on instruments.instrument_token = active.instrument_token
where
    instruments.broker = 'kite'
    and not exists (
        select 1
        from candidate.withheld_rows as withheld
        where
            withheld.destination = 'postgres'
            and withheld.instrument_token = instruments.instrument_token
    );

create view candidate.exp_json__token_lookup as
select instrument_token, exchange || ':' || tradingsymbol as key
from candidate.broker_instruments
where broker = 'kite';

create table candidate.excluded_rows (
    feed text, exchange text, exclusion_reason text, excluded_rows int, samples text []
);

create table candidate.broker_disagreements (
    broker text, exchange text, broker_token text, attribute text, canonical_id text,
    reference_broker text, tradingsymbol text, broker_value text, reference_value text,
    is_active boolean
);

create table candidate.broker_coverage as
select
    'kite' as feed, exchange,
    case
        when segment = 'INDICES' then 'index'
        when instrument_type = 'EQ' then 'cash'
        when instrument_type = 'FUT' then 'future'
        else 'option'
    end as kind,
    'reference' as status, '' as reason, '{}'::text [] as samples, false as is_stale,
    count(*)::int as covered_rows, parameters.as_of as as_of_date
from candidate.broker_instruments
cross join pg_temp.parameters
group by exchange, kind, parameters.as_of;
