with candidate as (
    select * from {{ ref('broker_instruments') }}
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

-- The rows that are not the same on both sides, side by side by token: a few hundred of
-- a hundred thousand. Nothing at all before the first publication.
differing as (
    select
        candidate.instrument_token as new_token,
        candidate.canonical_id as new_id,
        candidate.tradingsymbol as new_symbol,
        candidate.name as new_name,
        candidate.exchange as new_exchange,
        candidate.strike as new_strike,
        candidate.tick_size_inr as new_tick,
        candidate.lot_size as new_lot,
        candidate.expiry_date as new_expiry,
        published.instrument_token as old_token,
        published.canonical_id as old_id,
        published.tradingsymbol as old_symbol,
        published.name as old_name,
        published.exchange as old_exchange,
        published.strike as old_strike,
        published.tick_size_inr as old_tick,
        published.lot_size as old_lot,
        published.expiry_date as old_expiry,
        -- A token is given to another contract once its own has expired. It still names
        -- the same one when the id is the same, or when exchange and type are, and at
        -- least two of name, expiry and strike.
        coalesce(
            candidate.canonical_id = published.canonical_id
            or (
                candidate.exchange = published.exchange
                and candidate.instrument_type = published.instrument_type
                and (
                    published.expiry_date is null
                    or published.expiry_date >= parameters.as_of_date
                )
                and (
                    candidate.instrument_type = 'EQ'
                    or (candidate.name = published.name)::integer
                    + (candidate.expiry_date = published.expiry_date)::integer
                    + (candidate.strike is not distinct from published.strike)::integer
                    >= 2
                )
            ),
            false
        ) as is_same_contract
    from candidate
    -- one to one, or none on either side
    full join published -- noqa: AL04
        on
            candidate.broker = published.broker
            and candidate.instrument_token = published.instrument_token
    -- one row of parameters
    cross join parameters
    where
        exists (select 1 from published)
        and (
            candidate.canonical_id is distinct from published.canonical_id
            or candidate.tradingsymbol <> published.tradingsymbol
            or candidate.name is distinct from published.name
            or candidate.tick_size_inr is distinct from published.tick_size_inr
            or candidate.lot_size is distinct from published.lot_size
            or candidate.expiry_date is distinct from published.expiry_date
            or candidate.strike is distinct from published.strike
        )
),

arrivals as (
    select
        new_token,
        new_id,
        new_symbol,
        new_name,
        new_exchange,
        new_strike,
        new_tick,
        new_lot,
        new_expiry,
        row_number() over (partition by new_id order by new_token) as id_rank
    from differing
    where new_token is not null and not is_same_contract
),

departures as (
    select
        old_token,
        old_id,
        old_symbol,
        old_name,
        old_exchange,
        old_strike,
        old_tick,
        old_lot,
        old_expiry,
        row_number() over (partition by old_id order by old_token) as id_rank
    from differing
    where old_token is not null and not is_same_contract
),

paired as (
    select
        new_token,
        new_id,
        new_symbol,
        new_name,
        new_exchange,
        new_strike,
        new_tick,
        new_lot,
        new_expiry,
        old_token,
        old_id,
        old_symbol,
        old_name,
        old_exchange,
        old_strike,
        old_tick,
        old_lot,
        old_expiry
    from differing
    where is_same_contract
    union all
    select
        arrivals.new_token,
        arrivals.new_id,
        arrivals.new_symbol,
        arrivals.new_name,
        arrivals.new_exchange,
        arrivals.new_strike,
        arrivals.new_tick,
        arrivals.new_lot,
        arrivals.new_expiry,
        departures.old_token,
        departures.old_id,
        departures.old_symbol,
        departures.old_name,
        departures.old_exchange,
        departures.old_strike,
        departures.old_tick,
        departures.old_lot,
        departures.old_expiry
    from arrivals
    -- one to one by contract, or none on either side
    full join departures
        on
            arrivals.new_id = departures.old_id
            and arrivals.id_rank = departures.id_rank
),

described as (
    select
        coalesce(paired.new_id, paired.old_id) as canonical_id,
        changes.change,
        coalesce(paired.new_token, paired.old_token) as instrument_token,
        coalesce(paired.new_symbol, paired.old_symbol) as tradingsymbol,
        coalesce(paired.new_exchange, paired.old_exchange) as exchange,
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
