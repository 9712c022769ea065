-- A filter that no row of the seed defines would subscribe to nothing, and ingestion
-- would go quiet without an error.
with parameters as (
    select filter_names
    from {{ ref('stg_warehouse__build_parameters') }}
),

filters as (
    select filter
    from {{ ref('subscription_filters') }}
),

asked_for as (
    select names.filter_name
    from parameters
    -- one row to one name each
    cross join lateral unnest(parameters.filter_names) as names (filter_name)
)

select asked_for.filter_name
from asked_for
where
    asked_for.filter_name is null
    or (
        asked_for.filter_name <> 'all'
        and not exists (
            select 1
            from filters
            where filters.filter = asked_for.filter_name
        )
    )
union all
select 'no filter was given' as filter_name
where not exists (select 1 from asked_for)
