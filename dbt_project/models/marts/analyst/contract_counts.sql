with instruments as (
    select * from {{ ref('instruments') }}
),

days as (
    select max(as_of_date) as as_of_date from {{ ref('broker_coverage') }}
),

final as (
    select
        instruments.exchange,
        instruments.segment,
        instruments.kind,
        instruments.underlying,
        count(*) as instruments,
        count(distinct instruments.expiry_date) as expiries,
        count(distinct instruments.strike) as strikes,
        min(instruments.lot_size) as lowest_lot_size,
        max(instruments.lot_size) as highest_lot_size,
        min(instruments.expiry_date) filter (
            where instruments.expiry_date >= days.as_of_date
        ) as first_expiry_date,
        max(instruments.expiry_date) as last_expiry_date
    from instruments
    -- one row of a day
    cross join days
    where instruments.kind in ('future', 'option')
    group by
        instruments.exchange,
        instruments.segment,
        instruments.kind,
        instruments.underlying
)

select * from final
