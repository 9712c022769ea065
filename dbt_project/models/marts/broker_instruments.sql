with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),

final as (
    select
        'kite'::text as broker,
        instruments.instrument_token,
        instruments.canonical_id,
        instruments.exchange_token,
        instruments.tradingsymbol,
        instruments.name,
        instruments.exchange,
        instruments.segment,
        instruments.instrument_type,
        instruments.option_type,
        instruments.symbol_form,
        instruments.is_symbol_agreed,
        instruments.strike,
        instruments.tick_size_inr,
        instruments.lot_size,
        instruments.expiry_date
    from instruments
    -- one to one, or none
    left join repeated
        on
            instruments.line_number = repeated.line_number
            and repeated.repeats = 'token'
    where repeated.line_number is null
)

select * from final
