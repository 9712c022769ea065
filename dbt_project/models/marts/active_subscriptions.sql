with instruments as (
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

-- A contract on two tokens is remembered under one of them; when that token left the
-- dump, the first row of the contract stands for it.
found as (
    select
        instruments.line_number,
        instruments.instrument_token,
        instruments.canonical_id,
        instruments.expiry_date,
        remembered.reason,
        remembered.is_active,
        row_number() over (
            partition by
                remembered.reason,
                remembered.canonical_id,
                remembered.instrument_token
            order by
                instruments.instrument_token <> remembered.instrument_token,
                instruments.line_number
        ) as preference
    from remembered
    -- one remembered contract to one row, seldom to several
    inner join instruments
        on remembered.canonical_id = instruments.canonical_id
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
