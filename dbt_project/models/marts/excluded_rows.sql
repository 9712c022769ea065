{% if other_feeds() -%}
with parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

typed as (
    {{ broker_rows(
        ['line_number', 'exchange', 'tradingsymbol', 'expiry_date', 'exclusion'],
        'landed.is_typed'
    ) }}
),

excluded as (
    select
        typed.broker,
        typed.exchange,
        typed.line_number,
        typed.tradingsymbol,
        coalesce(typed.exclusion, 'expired') as exclusion_reason
    from typed
    -- many rows to one row of parameters
    inner join parameters
        on typed.exclusion is not null or typed.expiry_date < parameters.as_of_date
),

numbered as (
    select
        broker,
        exchange,
        exclusion_reason,
        tradingsymbol,
        row_number() over (
            partition by broker, exchange, exclusion_reason
            order by line_number
        ) as place
    from excluded
),

final as (
    select
        broker as feed,
        exchange,
        exclusion_reason,
        count(*)::integer as excluded_rows,
        array_agg(tradingsymbol order by place) filter (where place <= 5) as samples
    from numbered
    group by broker, exchange, exclusion_reason
)
{%- else -%}
-- Kite's rows are never excluded.
with final as (
    select
        null::text as feed,
        null::text as exchange,
        null::text as exclusion_reason,
        null::integer as excluded_rows,
        null::text[] as samples
    where false
)
{%- endif %}

select * from final
