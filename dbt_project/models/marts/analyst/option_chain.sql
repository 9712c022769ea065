with instruments as (
    select * from {{ ref('instruments') }}
),

broker_instruments as (
    select * from {{ ref('broker_instruments') }}
),

numbered as (
    select
        instruments.exchange,
        instruments.underlying,
        instruments.expiry_date,
        instruments.strike,
        instruments.option_type,
        instruments.canonical_id,
        instruments.tradingsymbol,
        instruments.lot_size,
        kite.instrument_token
    from instruments
    -- one to one, or none: what Kite does not list has no token of it
    left join broker_instruments as kite
        on
            instruments.canonical_id = kite.canonical_id
            and instruments.tradingsymbol = kite.tradingsymbol
            and kite.broker = 'kite'
    where instruments.kind = 'option'
),

final as (
    select
        exchange,
        underlying,
        expiry_date,
        strike,
        max(canonical_id) filter (where option_type = 'CE') as call_canonical_id,
        max(canonical_id) filter (where option_type = 'PE') as put_canonical_id,
        max(tradingsymbol) filter (where option_type = 'CE') as call_tradingsymbol,
        max(tradingsymbol) filter (where option_type = 'PE') as put_tradingsymbol,
        max(instrument_token) filter (where option_type = 'CE') as call_token,
        max(instrument_token) filter (where option_type = 'PE') as put_token,
        max(lot_size) as lot_size
    from numbered
    group by exchange, underlying, expiry_date, strike
)

select * from final
