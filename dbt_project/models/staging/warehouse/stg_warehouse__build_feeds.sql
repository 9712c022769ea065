with feeds as (
    select * from {{ source('ops', 'build_feeds') }}
),

final as (
    select
        feed,
        load_id,
        is_stale,
        as_of_date
    from feeds
)

select * from final
