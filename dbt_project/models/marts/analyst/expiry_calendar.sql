with instruments as (
    select * from {{ ref('instruments') }}
),

listed as (
    select
        exchange,
        underlying,
        kind,
        expiry_date,
        count(*) as contracts,
        count(distinct strike) as strikes,
        min(lot_size) as lowest_lot_size,
        max(lot_size) as highest_lot_size
    from instruments
    where kind in ('future', 'option')
    group by exchange, underlying, kind, expiry_date
),

final as (
    select
        exchange,
        underlying,
        kind,
        expiry_date,
        row_number() over (
            partition by exchange, underlying, kind
            order by expiry_date
        ) as expiry_rank,
        expiry_date = max(expiry_date) over (
            partition by
                exchange, underlying, kind, date_trunc('month', expiry_date)
        ) as is_last_of_month,
        contracts,
        strikes,
        lowest_lot_size,
        highest_lot_size
    from listed
)

select * from final
