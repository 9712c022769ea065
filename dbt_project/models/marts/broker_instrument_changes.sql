-- With Kite alone nobody's rows are beside Kite's, and no node is paid for.
{{ config(enabled=other_feeds() | length > 0) }}

with pairs as (
    select * from {{ ref('int_broker_instruments__paired') }}
),

published as (
    select * from {{ ref('stg_published__broker_instruments') }}
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

published_brokers as (
    select distinct broker from published
),

-- To begin to read a broker lists nothing, and to end it delists nothing.
of_brokers as (
    select
        broker,
        exchange,
        new_token,
        old_token,
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
        old_expiry,
        new_status,
        old_status
    from pairs
    where
        broker in (
            {%- for feed in other_feeds() %}
            '{{ feed }}'{{ ',' if not loop.last }}
            {%- endfor %}
        )
        and broker in (select published_brokers.broker from published_brokers)
),

-- A row without an instrument, before or now, is followed by no id. It is the same row
-- of the broker where its token still has the expiry and the symbol or the name.
stayed as (
    select
        arrived.broker,
        arrived.exchange,
        arrived.new_token,
        departed.old_token,
        arrived.new_id,
        departed.old_id,
        arrived.new_symbol,
        departed.old_symbol,
        arrived.new_name,
        departed.old_name,
        arrived.new_strike,
        departed.old_strike,
        arrived.new_tick,
        departed.old_tick,
        arrived.new_lot,
        departed.old_lot,
        arrived.new_expiry,
        departed.old_expiry,
        arrived.new_status,
        departed.old_status
    from of_brokers as arrived
    -- one to one by token
    inner join of_brokers as departed
        on
            arrived.broker = departed.broker
            and arrived.exchange = departed.exchange
            and arrived.new_token = departed.old_token
    where
        arrived.old_token is null
        and departed.new_token is null
        and (arrived.new_id is null or departed.old_id is null)
        and arrived.new_expiry is not distinct from departed.old_expiry
        and (
            arrived.new_symbol = departed.old_symbol
            or (arrived.new_name = departed.old_name and arrived.new_name <> '')
        )
),

paired as (
    select
        broker,
        exchange,
        new_token,
        old_token,
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
        old_expiry,
        new_status,
        old_status
    from stayed
    union all
    select
        one.broker,
        one.exchange,
        one.new_token,
        one.old_token,
        one.new_id,
        one.old_id,
        one.new_symbol,
        one.old_symbol,
        one.new_name,
        one.old_name,
        one.new_strike,
        one.old_strike,
        one.new_tick,
        one.old_tick,
        one.new_lot,
        one.old_lot,
        one.new_expiry,
        one.old_expiry,
        one.new_status,
        one.old_status
    from of_brokers as one
    where
        (one.new_token is not null and one.old_token is not null)
        or not exists (
            select 1
            from stayed
            where
                stayed.broker = one.broker
                and stayed.exchange = one.exchange
                and stayed.new_token = coalesce(one.new_token, one.old_token)
        )
),

-- What a broker changed itself.
described as (
    select
        paired.broker,
        paired.exchange,
        coalesce(paired.new_token, paired.old_token) as broker_token,
        changes.change,
        coalesce(paired.new_id, paired.old_id) as canonical_id,
        coalesce(paired.new_symbol, paired.old_symbol) as tradingsymbol,
        changes.old_value,
        changes.new_value,
        paired.new_id,
        paired.old_id
    from paired
    -- one row of parameters
    cross join parameters
    -- one pair to each thing that changed in it
    cross join lateral {{ pair_changes() }}
),

-- What the row is taken for, where the broker still says the same of it.
rematched as (
    select
        broker,
        exchange,
        new_token as broker_token,
        'match_changed' as change,
        coalesce(new_id, old_id) as canonical_id,
        new_symbol as tradingsymbol,
        case when new_status <> old_status then old_status else old_id end as old_value,
        case when new_status <> old_status then new_status else new_id end as new_value,
        new_id,
        old_id
    from paired
    where
        new_token is not null
        and old_token is not null
        and (
            new_status <> old_status
            or (
                new_id <> old_id
                and new_name is not distinct from old_name
                and new_strike is not distinct from old_strike
                and new_expiry is not distinct from old_expiry
                and new_symbol = old_symbol
            )
        )
),

every_change as (
    select
        broker,
        exchange,
        broker_token,
        change,
        canonical_id,
        tradingsymbol,
        old_value,
        new_value,
        new_id,
        old_id
    from described
    union all
    select
        broker,
        exchange,
        broker_token,
        change,
        canonical_id,
        tradingsymbol,
        old_value,
        new_value,
        new_id,
        old_id
    from rematched
),

final as (
    select
        every_change.broker,
        every_change.exchange,
        every_change.broker_token,
        every_change.change,
        every_change.canonical_id,
        every_change.tradingsymbol,
        every_change.old_value,
        every_change.new_value,
        (
            every_change.new_id in (
                select active_subscriptions.canonical_id from active_subscriptions
            )
            or every_change.old_id in (
                select published_subscriptions.canonical_id
                from published_subscriptions
                where published_subscriptions.canonical_id is not null
            )
        ) is true as is_active,
        parameters.as_of_date
    from every_change
    -- one row of parameters
    cross join parameters
)

select * from final
