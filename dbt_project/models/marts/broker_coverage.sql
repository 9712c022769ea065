with parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

kite_instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated_rows as (
    select * from {{ ref('repeated_rows') }}
),

rejected_rows as (
    select * from {{ ref('rejected_rows') }}
),

build_feeds as (
    select * from {{ ref('stg_warehouse__build_feeds') }}
),
{% if other_feeds() %}
broker_instruments as (
    select * from {{ ref('int_broker_instruments__identified') }}
),

matched as (
    select * from {{ ref('int_broker_instruments__matched') }}
),

excluded_rows as (
    select * from {{ ref('excluded_rows') }}
),

matched_numbered as (
    select
        broker,
        exchange,
        kind,
        match_status,
        coalesce(match_reason, '') as reason,
        tradingsymbol,
        row_number() over (
            partition by broker, exchange, kind, match_status, match_reason
            order by line_number
        ) as place
    from matched
),
{% endif %}
kinds as (
    select
        'kite'::text as feed,
        line_number,
        kind
    from kite_instruments
    {%- if other_feeds() %}
    union all
    select
        broker as feed,
        line_number,
        kind
    from broker_instruments
    {%- endif %}
),

left_out as (
    select
        repeated_rows.feed,
        repeated_rows.line_number,
        repeated_rows.exchange,
        repeated_rows.tradingsymbol,
        kinds.kind
    from repeated_rows
    -- one to one
    inner join kinds
        on
            repeated_rows.feed = kinds.feed
            and repeated_rows.line_number = kinds.line_number
    where repeated_rows.repeats = 'token'
),

left_out_of_kite as (
    select
        exchange,
        kind,
        count(*) as left_out
    from left_out
    where feed = 'kite'
    group by exchange, kind
),

rejected_lines as (
    select
        feed,
        line_number,
        min(exchange) as exchange,
        min(tradingsymbol) as tradingsymbol
    from rejected_rows
    group by feed, line_number
),

-- A row that was left out, or rejected, is counted there and not as an instrument.
counted as (
    select
        'kite'::text as feed,
        kite_instruments.exchange,
        kite_instruments.kind,
        'reference'::text as status,
        ''::text as reason,
        count(*) - coalesce(max(left_out_of_kite.left_out), 0) as covered_rows,
        '{}'::text[] as samples
    from kite_instruments
    -- many instruments to one count, or none
    left join left_out_of_kite
        on
            kite_instruments.exchange = left_out_of_kite.exchange
            and kite_instruments.kind = left_out_of_kite.kind
    group by kite_instruments.exchange, kite_instruments.kind
    union all
    select
        left_out.feed,
        left_out.exchange,
        left_out.kind,
        'repeated' as status,
        'same token as another row' as reason,
        count(*) as covered_rows,
        (array_agg(left_out.tradingsymbol order by left_out.line_number))[:5] as samples
    from left_out
    group by left_out.feed, left_out.exchange, left_out.kind
    union all
    select
        rejected_lines.feed,
        rejected_lines.exchange,
        '' as kind,
        'rejected' as status,
        'see rejected_rows' as reason,
        count(*) as covered_rows,
        (
            array_agg(rejected_lines.tradingsymbol order by rejected_lines.line_number)
        )[:5] as samples
    from rejected_lines
    group by rejected_lines.feed, rejected_lines.exchange
    {%- if other_feeds() %}
    union all
    select
        matched_numbered.broker as feed,
        matched_numbered.exchange,
        matched_numbered.kind,
        matched_numbered.match_status as status,
        matched_numbered.reason,
        count(*) as covered_rows,
        array_agg(matched_numbered.tradingsymbol order by matched_numbered.place)
        filter (where matched_numbered.place <= 5) as samples
    from matched_numbered
    group by
        matched_numbered.broker,
        matched_numbered.exchange,
        matched_numbered.kind,
        matched_numbered.match_status,
        matched_numbered.reason
    union all
    select
        excluded_rows.feed,
        excluded_rows.exchange,
        '' as kind,
        'excluded' as status,
        excluded_rows.exclusion_reason as reason,
        excluded_rows.excluded_rows as covered_rows,
        excluded_rows.samples
    from excluded_rows
    {%- endif %}
),

final as (
    select
        counted.feed,
        counted.exchange,
        counted.kind,
        counted.status,
        counted.reason,
        counted.samples,
        coalesce(build_feeds.is_stale, false) as is_stale,
        counted.covered_rows::integer as covered_rows,
        coalesce(build_feeds.as_of_date, parameters.as_of_date) as as_of_date
    from counted
    -- many counts to one row of parameters
    cross join parameters
    -- many counts to one feed
    left join build_feeds
        on counted.feed = build_feeds.feed
    where counted.covered_rows > 0
)

select * from final
