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
    -- noqa: disable=LT02
    cross join lateral (
        values
        (
            'listed',
            paired.old_token is null,
            null,
            paired.new_symbol
        ),
        (
            'expired',
            paired.new_token is null and paired.old_expiry < parameters.as_of_date,
            paired.old_symbol,
            null
        ),
        (
            'delisted',
            paired.new_token is null
            and coalesce(paired.old_expiry >= parameters.as_of_date, true),
            paired.old_symbol,
            null
        ),
        (
            'token_changed',
            paired.new_token <> paired.old_token,
            paired.old_token::text,
            paired.new_token::text
        ),
        (
            'symbol_changed',
            paired.new_symbol <> paired.old_symbol,
            paired.old_symbol,
            paired.new_symbol
        ),
        (
            'name_changed',
            paired.new_token is not null
            and paired.old_token is not null
            and paired.new_name is distinct from paired.old_name,
            paired.old_name,
            paired.new_name
        ),
        (
            'strike_changed',
            paired.new_token is not null
            and paired.old_token is not null
            and paired.new_strike is distinct from paired.old_strike,
            {{ plain_number_text('paired.old_strike') }},
            {{ plain_number_text('paired.new_strike') }}
        ),
        (
            'expiry_changed',
            paired.new_token is not null
            and paired.old_token is not null
            and paired.new_expiry is distinct from paired.old_expiry,
            paired.old_expiry::text,
            paired.new_expiry::text
        ),
        (
            'lot_changed',
            paired.new_token is not null
            and paired.old_token is not null
            and paired.new_lot is distinct from paired.old_lot,
            paired.old_lot::text,
            paired.new_lot::text
        ),
        (
            'tick_changed',
            paired.new_token is not null
            and paired.old_token is not null
            and paired.new_tick is distinct from paired.old_tick,
            {{ plain_number_text('paired.old_tick') }},
            {{ plain_number_text('paired.new_tick') }}
        )
    ) as changes (change, is_so, old_value, new_value)
    -- noqa: enable=LT02
    where changes.is_so
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
