with broker_instruments as (
    select * from {{ ref('broker_instruments') }}
),

final as (
    select
        instrument_token,
        tradingsymbol,
        exchange,
        instrument_type,
        segment,
        name,
        coalesce(to_char(expiry_date, 'YYYY-MM-DD'), '') as expiry,
        {{ python_float_text('strike') }} as strike,
        {{ python_float_text('tick_size_inr') }} as tick_size,
        coalesce(lot_size, 0)::text as lot_size,
        coalesce(exchange_token, 0)::text as exchange_token
    from broker_instruments
    where broker = 'kite'
)

select * from final
