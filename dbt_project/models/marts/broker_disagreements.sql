{% if other_feeds() -%}
with broker_instruments as (
    select * from {{ ref('broker_instruments') }}
),

matched as (
    select * from {{ ref('int_broker_instruments__matched') }}
),

instruments as (
    select * from {{ ref('instruments') }}
),

active_subscriptions as (
    select * from {{ ref('active_subscriptions') }}
),

-- Both words for each thing that two brokers may see differently, side by side.
compared as (
    select
        broker_instruments.broker,
        broker_instruments.exchange,
        broker_instruments.broker_token,
        things.attribute,
        instruments.canonical_id,
        instruments.reference_broker,
        broker_instruments.tradingsymbol,
        things.broker_value,
        things.reference_value
    from broker_instruments
    -- many rows to one instrument
    inner join instruments
        on
            broker_instruments.canonical_id = instruments.canonical_id
            and broker_instruments.broker <> instruments.reference_broker
    -- one row to one thing each
    -- noqa: disable=LT02
    cross join lateral (
        values
        (
            'lot_size',
            broker_instruments.lot_size::text,
            instruments.lot_size::text
        ),
        (
            'tick_size_inr',
            {{ plain_number_text('broker_instruments.tick_size_inr') }},
            {{ plain_number_text('instruments.tick_size_inr') }}
        )
    ) as things (attribute, broker_value, reference_value)
    -- noqa: enable=LT02
    where
        things.broker_value is distinct from things.reference_value
        -- Nobody trades an index: what is said of its lot and tick means nothing.
        and instruments.kind <> 'index'
),

-- One exchange token, two instruments.
conflicts as (
    select
        matched.broker,
        matched.exchange,
        matched.broker_token,
        matched.same_token_id,
        matched.same_token_broker,
        matched.spelled_id,
        matched.tradingsymbol,
        things.attribute,
        things.broker_value,
        things.reference_value,
        count(*) over (
            partition by matched.broker, matched.exchange, matched.broker_token
        ) as differing
    from matched
    -- many rows to one instrument, or none: another broker's may be in conflict itself
    left join instruments
        on matched.same_token_id = instruments.canonical_id
    -- one row to one term each
    -- noqa: disable=LT02
    cross join lateral (
        values
        ('contract', matched.spelled_id, matched.same_token_id),
        ('underlying', matched.underlying, instruments.underlying),
        ('expiry_date', matched.expiry_date::text, instruments.expiry_date::text),
        (
            'strike',
            {{ plain_number_text('matched.strike') }},
            {{ plain_number_text('instruments.strike') }}
        ),
        ('option_type', matched.option_type, instruments.option_type)
    ) as things (attribute, broker_value, reference_value)
    -- noqa: enable=LT02
    where
        matched.match_status = 'token_conflict'
        and matched.same_token_id is not null
        and (
            things.attribute = 'contract'
            or (
                things.broker_value is distinct from things.reference_value
                and matched.kind in ('future', 'option')
                and instruments.kind = matched.kind
            )
        )
),

-- Both sides' ids of every conflict, and the term in which they differ, if it is one.
conflicting_terms as (
    select
        broker,
        exchange,
        broker_token,
        attribute,
        same_token_id as canonical_id,
        same_token_broker as reference_broker,
        tradingsymbol,
        spelled_id,
        broker_value,
        reference_value
    from conflicts
    where attribute = 'contract' or differing = 2
),

disagreements as (
    select
        broker,
        exchange,
        broker_token,
        attribute,
        canonical_id,
        reference_broker,
        tradingsymbol,
        canonical_id as spelled_id,
        coalesce(broker_value, '') as broker_value,
        coalesce(reference_value, '') as reference_value
    from compared
    union all
    select
        broker,
        exchange,
        broker_token,
        attribute,
        canonical_id,
        reference_broker,
        tradingsymbol,
        spelled_id,
        broker_value,
        reference_value
    from conflicting_terms
),

final as (
    select
        disagreements.broker,
        disagreements.exchange,
        disagreements.broker_token,
        disagreements.attribute,
        disagreements.canonical_id,
        disagreements.reference_broker,
        disagreements.tradingsymbol,
        disagreements.broker_value,
        disagreements.reference_value,
        (
            disagreements.canonical_id in (
                select active_subscriptions.canonical_id from active_subscriptions
            )
            or disagreements.spelled_id in (
                select active_subscriptions.canonical_id from active_subscriptions
            )
        ) as is_active
    from disagreements
)
{%- else -%}
-- One broker has nobody to disagree with.
with final as (
    select
        null::text as broker,
        null::text as exchange,
        null::text as broker_token,
        null::text as attribute,
        null::text as canonical_id,
        null::text as reference_broker,
        null::text as tradingsymbol,
        null::text as broker_value,
        null::text as reference_value,
        null::boolean as is_active
    where false
)
{%- endif %}

select * from final
