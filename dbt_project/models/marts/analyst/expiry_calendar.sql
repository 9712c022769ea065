with instruments as (
    select * from {{ ref('instruments') }}
),

-- The day of the publication, where Kite is stood in for too: some feed is of that day.
days as (
    select max(as_of_date) as as_of_date from {{ ref('broker_coverage') }}
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
        listed.exchange,
        listed.underlying,
        listed.kind,
        listed.expiry_date,
        case
            when listed.expiry_date >= days.as_of_date
                then
                    row_number() over (
                        partition by
                            listed.exchange,
                            listed.underlying,
                            listed.kind,
                            listed.expiry_date >= days.as_of_date
                        order by listed.expiry_date
                    )
        end as expiry_rank,
        listed.expiry_date = max(listed.expiry_date) over (
            partition by
                listed.exchange,
                listed.underlying,
                listed.kind,
                date_trunc('month', listed.expiry_date)
        ) as is_last_of_month,
        listed.contracts,
        listed.strikes,
        listed.lowest_lot_size,
        listed.highest_lot_size
    from listed
    -- one row of a day
    cross join days
)

select * from final
