with instruments as (
    select * from {{ ref('instruments') }}
),

final as (
    select
        exchange,
        segment,
        kind,
        underlying,
        count(*) as instruments,
        count(distinct expiry_date) as expiries,
        count(distinct strike) as strikes,
        min(lot_size) as lowest_lot_size,
        max(lot_size) as highest_lot_size,
        min(expiry_date) as first_expiry_date,
        max(expiry_date) as last_expiry_date
    from instruments
    where kind in ('future', 'option')
    group by exchange, segment, kind, underlying
)

select * from final
