with parameters as (
    select * from {{ source('ops', 'build_parameters') }}
),

final as (
    select
        load_id,
        feed,
        as_of_date,
        filter,
        filter_names,
        'all' = any(filter_names) as is_all_stored,
        reference_prices,
        focus_futures,
        focus_expiries,
        focus_strikes_each_side
    from parameters
)

select * from final
