with active_subscriptions as (
    select * from {{ ref('active_subscriptions') }}
),

parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

final as (
    select
        'INSTRUMENTS'::text as variable,
        string_agg(
            active_subscriptions.instrument_token::text,
            ','
            order by active_subscriptions.subscription_position
        ) as value,
        count(*)::integer as tokens
    from active_subscriptions
    -- many subscriptions to one row of parameters
    inner join parameters
        on not parameters.is_all_stored
    -- No line at all rather than an empty one: its reader needs at least one token.
    having count(*) > 0
)

select * from final
