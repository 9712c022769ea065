-- Ingestion that starts from the .env file would stream other tokens than ingestion
-- that starts from the database. Under the filter `all` there must be no line at all.
with parameters as (
    select is_all_stored
    from {{ ref('stg_warehouse__build_parameters') }}
),

subscribed as (
    select
        string_agg(instrument_token::text, ',' order by subscription_position)
            as tokens,
        count(*) as instruments
    from {{ ref('active_subscriptions') }}
),

lines as (
    select
        value,
        tokens
    from {{ ref('exp_dotenv__instruments') }}
    where variable = 'INSTRUMENTS'
)

select
    left(subscribed.tokens, 200) as tokens_subscribed,
    left(lines.value, 200) as tokens_in_line,
    subscribed.instruments,
    lines.tokens
from subscribed
cross join parameters
-- one to one, or none
left join lines
    on true
where
    case
        when parameters.is_all_stored then lines.value is not null
        else
            lines.value is distinct from subscribed.tokens
            or coalesce(lines.tokens, 0) <> subscribed.instruments
    end
