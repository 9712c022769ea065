with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),

focus_underlyings as (
    select * from {{ ref('focus_underlyings') }}
),

parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

-- An expiry on the as-of day still trades that day; one before it never counts.
live_contracts as (
    select
        instruments.canonical_id,
        instruments.instrument_token,
        instruments.tradingsymbol,
        instruments.underlying,
        instruments.exchange,
        instruments.kind,
        instruments.option_type,
        instruments.strike,
        instruments.tick_size_inr,
        instruments.lot_size,
        instruments.expiry_date,
        parameters.reference_prices,
        parameters.focus_futures,
        parameters.focus_expiries,
        parameters.focus_strikes_each_side
    from instruments
    -- many contracts to one underlying
    inner join focus_underlyings
        on
            instruments.underlying = focus_underlyings.underlying
            and instruments.exchange = focus_underlyings.exchange
    -- one row of parameters
    inner join parameters
        on instruments.expiry_date >= parameters.as_of_date
    -- one to one, or none
    left join repeated
        on
            instruments.line_number = repeated.line_number
            and repeated.repeats in ('token', 'canonical_id')
    where
        instruments.kind in ('future', 'option')
        and repeated.line_number is null
),

ranked_expiries as (
    select
        underlying,
        exchange,
        kind,
        expiry_date,
        row_number() over (
            partition by underlying, exchange, kind
            order by expiry_date
        )::integer as expiry_rank
    from live_contracts
    group by underlying, exchange, kind, expiry_date
),

near_contracts as (
    select
        live_contracts.canonical_id,
        live_contracts.instrument_token,
        live_contracts.tradingsymbol,
        live_contracts.underlying,
        live_contracts.exchange,
        live_contracts.kind,
        live_contracts.option_type,
        live_contracts.strike,
        live_contracts.tick_size_inr,
        live_contracts.lot_size,
        live_contracts.expiry_date,
        live_contracts.focus_strikes_each_side,
        ranked_expiries.expiry_rank,
        case
            when jsonb_typeof(live_contracts.reference_prices -> live_contracts.underlying)
                = 'number'
                then (live_contracts.reference_prices ->> live_contracts.underlying)::numeric
        end as given_price
    from live_contracts
    -- many contracts to one expiry
    inner join ranked_expiries
        on
            live_contracts.underlying = ranked_expiries.underlying
            and live_contracts.exchange = ranked_expiries.exchange
            and live_contracts.kind = ranked_expiries.kind
            and live_contracts.expiry_date = ranked_expiries.expiry_date
    where
        ranked_expiries.expiry_rank <= case live_contracts.kind
            when 'future' then live_contracts.focus_futures
            else live_contracts.focus_expiries
        end
),

strikes as (
    select
        underlying,
        exchange,
        expiry_rank,
        strike,
        max(given_price) as given_price,
        row_number() over (
            partition by underlying, exchange, expiry_rank
            order by strike
        )::integer as strike_rank,
        count(*) over (partition by underlying, exchange, expiry_rank) as strikes_listed
    from near_contracts
    where kind = 'option'
    group by underlying, exchange, expiry_rank, strike
),

-- Strikes are listed around the spot, so the middle one of the nearest expiry stands in
-- for it; of an even number of strikes, the lower of the two in the middle.
reference_prices as (
    select
        underlying,
        exchange,
        coalesce(given_price, strike)::numeric(18, 6) as reference_price,
        case when given_price is null then 'middle_strike' else 'given' end
            as reference_price_source
    from strikes
    where expiry_rank = 1 and strike_rank = (strikes_listed + 1) / 2
),

-- The strike at the money is the one nearest to the reference price; of two equally
-- near, the lower.
measured_strikes as (
    select
        strikes.underlying,
        strikes.exchange,
        strikes.expiry_rank,
        strikes.strike,
        strikes.strike_rank - first_value(strikes.strike_rank) over (
            partition by strikes.underlying, strikes.exchange, strikes.expiry_rank
            order by
                abs(strikes.strike - reference_prices.reference_price),
                strikes.strike
        ) as strike_offset
    from strikes
    -- many strikes to one underlying
    inner join reference_prices
        on
            strikes.underlying = reference_prices.underlying
            and strikes.exchange = reference_prices.exchange
),

final as (
    select
        near_contracts.canonical_id,
        near_contracts.instrument_token,
        near_contracts.tradingsymbol,
        near_contracts.underlying,
        near_contracts.exchange,
        near_contracts.kind,
        near_contracts.option_type,
        near_contracts.expiry_rank,
        measured_strikes.strike_offset,
        reference_prices.reference_price_source,
        near_contracts.strike,
        reference_prices.reference_price,
        near_contracts.tick_size_inr,
        near_contracts.lot_size,
        near_contracts.expiry_date
    from near_contracts
    -- many contracts to one strike of an expiry; none for futures
    left join measured_strikes
        on
            near_contracts.underlying = measured_strikes.underlying
            and near_contracts.exchange = measured_strikes.exchange
            and near_contracts.expiry_rank = measured_strikes.expiry_rank
            and near_contracts.strike = measured_strikes.strike
            and near_contracts.kind = 'option'
    -- many contracts to one underlying; none where it has no live option
    left join reference_prices
        on
            near_contracts.underlying = reference_prices.underlying
            and near_contracts.exchange = reference_prices.exchange
    where
        near_contracts.kind = 'future'
        or abs(measured_strikes.strike_offset) <= near_contracts.focus_strikes_each_side
)

select * from final
