with pairs as (
    select * from {{ ref('int_broker_instruments__paired') }}
),

active_subscriptions as (
    select * from {{ ref('active_subscriptions') }}
),

published_subscriptions as (
    select * from {{ ref('stg_published__active_subscriptions') }}
),

parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

-- What consumers are told of is Kite's: its tokens are what they stream.
paired as (
    select
        exchange,
        new_token::integer as new_token,
        old_token::integer as old_token,
        new_id,
        old_id,
        new_symbol,
        old_symbol,
        new_name,
        old_name,
        new_strike,
        old_strike,
        new_tick,
        old_tick,
        new_lot,
        old_lot,
        new_expiry,
        old_expiry
    from pairs
    where broker = 'kite'
),

described as (
    select
        coalesce(paired.new_id, paired.old_id) as canonical_id,
        changes.change,
        coalesce(paired.new_token, paired.old_token) as instrument_token,
        coalesce(paired.new_symbol, paired.old_symbol) as tradingsymbol,
        paired.exchange,
        changes.old_value,
        changes.new_value,
        paired.new_token,
        paired.old_token
    from paired
    -- one row of parameters
    cross join parameters
    -- one pair to each thing that changed in it
    cross join lateral {{ pair_changes() }}
),

final as (
    select
        described.canonical_id,
        described.change,
        described.instrument_token,
        described.tradingsymbol,
        described.exchange,
        described.old_value,
        described.new_value,
        (
            active_subscriptions.instrument_token is not null
            or published_subscriptions.instrument_token is not null
        ) as is_active
    from described
    -- one to one, or none
    left join active_subscriptions
        on described.new_token = active_subscriptions.instrument_token
    -- one to one, or none
    left join published_subscriptions
        on described.old_token = published_subscriptions.instrument_token
)

select * from final
