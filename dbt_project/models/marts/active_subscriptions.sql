-- `not materialized`: PostgreSQL would copy all rows of what is asked more than once.
with instruments as not materialized (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),

filters as (
    select * from {{ ref('subscription_filters') }}
),

parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

overrides as (
    select * from {{ ref('stg_warehouse__subscription_overrides') }}
),

published as (
    select * from {{ ref('stg_published__active_subscriptions') }}
),

continuity as (
    select * from {{ ref('instrument_continuity') }}
),

chosen_filters as (
    select distinct
        filters.underlying,
        filters.segment
    from filters
    -- many filters to one row of parameters
    inner join parameters
        on filters.filter = any(parameters.filter_names)
),

filtered as (
    select
        instruments.line_number,
        instruments.instrument_token,
        instruments.canonical_id,
        instruments.expiry_date,
        'filter' as reason,
        true as is_active
    from instruments
    -- many instruments to one chosen filter
    inner join chosen_filters
        on
            instruments.underlying = chosen_filters.underlying
            and instruments.segment = chosen_filters.segment
),

-- What somebody or the last publication asked for, by contract and not by token: tokens
-- are used again for other contracts.
remembered as (
    select
        'override' as reason,
        canonical_id,
        instrument_token,
        is_active
    from overrides
    union all
    select
        'kept' as reason,
        published.canonical_id,
        published.instrument_token,
        true as is_active
    from published
    -- many subscriptions to one row of parameters
    inner join parameters
        on parameters.is_all_stored
),

-- A contract whose id has changed is followed; an id that something else has taken
-- since remembers nothing.
followed as (
    select
        remembered.reason,
        coalesce(moved.canonical_id, remembered.canonical_id) as canonical_id,
        remembered.instrument_token,
        remembered.is_active
    from remembered
    -- one to one, or none
    left join continuity as moved
        on remembered.canonical_id = moved.continued_canonical_id
    -- one to one, or none
    left join continuity as taken
        on
            remembered.canonical_id = taken.canonical_id
            and taken.basis <> 'relisted'
    where moved.canonical_id is not null or taken.canonical_id is null
),

-- A contract on two tokens is remembered under one of them; when that token left the
-- dump, the first row of the contract stands for it.
found as (
    select
        instruments.line_number,
        instruments.instrument_token,
        instruments.canonical_id,
        instruments.expiry_date,
        followed.reason,
        followed.is_active,
        row_number() over (
            partition by
                followed.reason,
                followed.canonical_id,
                followed.instrument_token
            order by
                instruments.instrument_token <> followed.instrument_token,
                instruments.line_number
        ) as preference
    from followed
    -- one followed contract to one row, seldom to several
    inner join instruments
        on followed.canonical_id = instruments.canonical_id
    -- one to one, or none
    left join repeated
        on
            instruments.line_number = repeated.line_number
            and repeated.repeats = 'token'
    where repeated.line_number is null
),

asked_for as (
    select
        line_number,
        instrument_token,
        canonical_id,
        expiry_date,
        reason,
        is_active
    from filtered
    union all
    select
        line_number,
        instrument_token,
        canonical_id,
        expiry_date,
        reason,
        is_active
    from found
    where preference = 1
),

decided as (
    select
        asked_for.line_number,
        case
            when bool_or(asked_for.reason = 'filter') then 'filter'
            when bool_or(asked_for.reason = 'override') then 'override'
            else 'kept'
        end as origin
    from asked_for
    -- many rows to one row of parameters
    inner join parameters
        on
            asked_for.expiry_date is null
            or asked_for.expiry_date >= parameters.as_of_date
    group by asked_for.line_number
    -- An override that says no outweighs the filter.
    having bool_and(asked_for.is_active)
),

final as (
    select
        instruments.instrument_token,
        instruments.canonical_id,
        instruments.tradingsymbol,
        instruments.exchange,
        instruments.segment,
        instruments.name,
        decided.origin,
        row_number() over (order by decided.line_number)::integer
            as subscription_position
    from decided
    -- one to one
    inner join instruments
        on decided.line_number = instruments.line_number
    -- one to one, or none
    left join repeated
        on
            decided.line_number = repeated.line_number
            and repeated.repeats = 'token'
    where repeated.line_number is null
)

select * from final
