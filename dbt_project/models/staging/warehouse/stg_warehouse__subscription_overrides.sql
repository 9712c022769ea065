with overrides as (
    select * from {{ source('ops', 'subscription_overrides') }}
),

final as (
    select
        canonical_id,
        instrument_token,
        is_active,
        origin,
        recorded_at
    from overrides
)

select * from final
