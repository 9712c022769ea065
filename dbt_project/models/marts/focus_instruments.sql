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
ranked_contracts as (
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
        parameters.focus_strikes_each_side,
        case instruments.kind
            when 'future' then parameters.focus_futures
            else parameters.focus_expiries
        end as expiries_wanted,
        -- Contracts of one expiry share a rank: the ties are meant.
        dense_rank() over (
            partition by instruments.underlying, instruments.exchange, instruments.kind
            order by instruments.expiry_date
        )::integer as expiry_rank,
        -- A call and a put of one strike share a rank: the ties are meant.
        dense_rank() over (
            partition by
                instruments.underlying,
                instruments.exchange,
                instruments.kind,
                instruments.expiry_date
            order by instruments.strike
        )::integer as strike_rank
    from instruments
    -- many contracts to one underlying
    inner join focus_underlyings
        on
            instruments.underlying = focus_underlyings.underlying
            and instruments.exchange = focus_underlyings.exchange
    -- many contracts to one row of parameters
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

near_contracts as (
    select
        canonical_id,
        instrument_token,
        tradingsymbol,
        underlying,
        exchange,
        kind,
        option_type,
        strike,
        tick_size_inr,
        lot_size,
        expiry_date,
        focus_strikes_each_side,
        expiry_rank,
        strike_rank,
        max(strike_rank) over (
            partition by underlying, exchange, kind, expiry_rank
        ) as strikes_listed,
        case
            when jsonb_typeof(reference_prices -> underlying) = 'number'
                then (reference_prices ->> underlying)::numeric(18, 6)
        end as given_price
    from ranked_contracts
    where expiry_rank <= expiries_wanted
),

-- Strikes are listed around the spot, so the middle one of the nearest expiry stands in
-- for it; of an even number of strikes, the lower of the two in the middle.
priced_contracts as (
    select
        canonical_id,
        instrument_token,
        tradingsymbol,
        underlying,
        exchange,
        kind,
        option_type,
        strike,
        tick_size_inr,
        lot_size,
        expiry_date,
        focus_strikes_each_side,
        expiry_rank,
        strike_rank,
        given_price,
        max(
            case
                when
                    kind = 'option'
                    and expiry_rank = 1
                    and strike_rank = (strikes_listed + 1) / 2
                    then strike
            end
        ) over (partition by underlying, exchange) as middle_strike
    from near_contracts
),

-- The strike at the money is the one nearest to the reference price; of two equally
-- near, the lower. A call and its put have the same rank, so their tie decides nothing.
measured_contracts as (
    select
        canonical_id,
        instrument_token,
        tradingsymbol,
        underlying,
        exchange,
        kind,
        option_type,
        strike,
        tick_size_inr,
        lot_size,
        expiry_date,
        focus_strikes_each_side,
        expiry_rank,
        coalesce(given_price, middle_strike) as reference_price,
        case
            when given_price is not null then 'given'
            when middle_strike is not null then 'middle_strike'
        end as reference_price_source,
        case
            when kind = 'option'
                then strike_rank - first_value(strike_rank) over (
                    partition by underlying, exchange, kind, expiry_rank
                    order by
                        abs(strike - coalesce(given_price, middle_strike)),
                        strike,
                        option_type
                )
        end as strike_offset
    from priced_contracts
),

final as (
    select
        canonical_id,
        instrument_token,
        tradingsymbol,
        underlying,
        exchange,
        kind,
        option_type,
        expiry_rank,
        strike_offset,
        reference_price_source,
        strike,
        reference_price,
        tick_size_inr,
        lot_size,
        expiry_date
    from measured_contracts
    where kind = 'future' or abs(strike_offset) <= focus_strikes_each_side
)

select * from final
