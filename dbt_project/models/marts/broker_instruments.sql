with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),

final as (
    select
        'kite'::text as broker,
        instruments.exchange,
        instruments.instrument_token::text as broker_token,
        instruments.instrument_token,
        instruments.canonical_id,
        instruments.exchange_token,
        instruments.tradingsymbol,
        instruments.name,
        instruments.segment,
        instruments.instrument_type,
        null::text as series,
        null::text as isin,
        instruments.option_type,
        instruments.symbol_form,
        'reference'::text as match_status,
        null::text as match_reason,
        instruments.is_symbol_agreed,
        false as is_stale,
        instruments.strike,
        instruments.tick_size_inr,
        instruments.lot_size,
        instruments.expiry_date,
        null::date as stale_as_of_date
    from instruments
    -- one to one, or none
    left join repeated
        on
            instruments.line_number = repeated.line_number
            and repeated.repeats = 'token'
    where repeated.line_number is null
)

select * from final
