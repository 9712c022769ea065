with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),

final as (
    select
        instruments.canonical_id,
        instruments.exchange,
        instruments.segment,
        instruments.kind,
        instruments.underlying,
        instruments.tradingsymbol,
        btrim(instruments.name) as name,
        instruments.option_type,
        case when instruments.kind = 'option' then instruments.strike end as strike,
        instruments.tick_size_inr,
        instruments.lot_size,
        case
            when instruments.kind in ('future', 'option') then instruments.expiry_date
        end as expiry_date
    from instruments
    -- one to one, or none
    left join repeated
        on
            instruments.line_number = repeated.line_number
            and repeated.repeats in ('token', 'canonical_id')
    where repeated.line_number is null
)

select * from final
