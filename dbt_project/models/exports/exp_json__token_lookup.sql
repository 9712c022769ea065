with broker_instruments as (
    select * from {{ ref('broker_instruments') }}
),

final as (
    select
        instrument_token,
        coalesce(exchange_token, 0)::text as exchange_token,
        tradingsymbol,
        name,
        0::numeric(18, 6) as last_price,
        coalesce(to_char(expiry_date, 'YYYY-MM-DD'), '') as expiry,
        coalesce(strike, 0)::numeric(18, 6) as strike,
        coalesce(tick_size_inr, 0)::numeric(18, 6) as tick_size,
        coalesce(lot_size, 0) as lot_size,
        instrument_type,
        segment,
        exchange,
        exchange || ':' || tradingsymbol as key,
        'zerodha_csv'::text as source
    from broker_instruments
    where broker = 'kite'
)

select * from final
