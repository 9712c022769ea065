{{ config(enabled=other_feeds() | length > 0) }}

with instruments as (
    select * from {{ ref('int_broker_instruments__identified') }}
),

repeated_tokens as (
    select
        broker,
        exchange,
        broker_token
    from instruments
    group by broker, exchange, broker_token
    having count(*) > 1
),

ranked_tokens as (
    select
        instruments.broker,
        instruments.line_number,
        first_value(instruments.line_number) over (
            partition by
                instruments.broker, instruments.exchange, instruments.broker_token
            order by
                btrim(instruments.name) = '',
                instruments.line_number
        ) as kept_line_number
    from instruments
    -- many rows to one repeated token
    inner join repeated_tokens
        on
            instruments.broker = repeated_tokens.broker
            and instruments.exchange = repeated_tokens.exchange
            and instruments.broker_token = repeated_tokens.broker_token
),

token_repeats as (
    select
        broker,
        line_number,
        kept_line_number
    from ranked_tokens
    where line_number <> kept_line_number
),

repeated_ids as (
    select
        broker,
        spelled_id
    from instruments
    group by broker, spelled_id
    having count(*) > 1
),

-- Where a symbol stands for a share and for bonds of one company, the share comes
-- first: the 8th and 9th place of an Indian ISIN are 01 for it.
ranked_ids as (
    select
        instruments.broker,
        instruments.line_number,
        first_value(instruments.line_number) over (
            partition by instruments.broker, instruments.spelled_id
            order by
                coalesce(substr(instruments.isin, 8, 2) = '01', false) desc,
                btrim(instruments.name) = '',
                instruments.line_number
        ) as kept_line_number
    from instruments
    -- many rows to one repeated id
    inner join repeated_ids
        on
            instruments.broker = repeated_ids.broker
            and instruments.spelled_id = repeated_ids.spelled_id
    -- one to one, or none: a row already dropped for its token is not listed twice
    left join token_repeats
        on
            instruments.broker = token_repeats.broker
            and instruments.line_number = token_repeats.line_number
    where token_repeats.line_number is null
),

final as (
    select
        broker,
        line_number,
        kept_line_number,
        'token' as repeats
    from token_repeats
    union all
    select
        broker,
        line_number,
        kept_line_number,
        'canonical_id' as repeats
    from ranked_ids
    where line_number <> kept_line_number
)

select * from final
