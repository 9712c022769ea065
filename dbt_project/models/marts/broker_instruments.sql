with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),

build_feeds as (
    select * from {{ ref('stg_warehouse__build_feeds') }}
),

kite_rows as (
    select
        'kite'::text as broker,
        instruments.exchange,
        instruments.instrument_token::text as broker_token,
        instruments.instrument_token,
        instruments.canonical_id,
        instruments.exchange_token,
        instruments.tradingsymbol,
        instruments.name,
        instruments.segment,
        instruments.instrument_type,
        null::text as series,
        null::text as isin,
        instruments.option_type,
        instruments.symbol_form,
        'reference'::text as match_status,
        null::text as match_reason,
        instruments.is_symbol_agreed,
        -- Kite's own dump may be the last good one too, if another feed has a new one.
        coalesce(build_feeds.is_stale, false) as is_stale,
        instruments.strike,
        instruments.tick_size_inr,
        instruments.lot_size,
        instruments.expiry_date,
        case when build_feeds.is_stale then build_feeds.as_of_date end
            as stale_as_of_date
    from instruments
    -- many rows to one feed
    left join build_feeds
        on build_feeds.feed = 'kite'
    -- one to one, or none
    left join repeated
        on
            instruments.line_number = repeated.line_number
            and repeated.repeats = 'token'
    where repeated.line_number is null
),
{% if other_feeds() %}
matched as (
    select * from {{ ref('int_broker_instruments__matched') }}
),

other_rows as ( -- noqa: ST03
    select
        matched.broker,
        matched.exchange,
        matched.broker_token,
        null::integer as instrument_token,
        matched.canonical_id,
        matched.exchange_token,
        matched.tradingsymbol,
        matched.name,
        matched.segment,
        matched.instrument_type,
        matched.series,
        matched.isin,
        matched.option_type,
        null::text as symbol_form,
        matched.match_status,
        matched.match_reason,
        null::boolean as is_symbol_agreed,
        build_feeds.is_stale,
        matched.strike,
        matched.tick_size_inr,
        matched.lot_size,
        matched.expiry_date,
        case when build_feeds.is_stale then build_feeds.as_of_date end
            as stale_as_of_date
    from matched
    -- many rows to one feed
    inner join build_feeds
        on matched.broker = build_feeds.feed
),
{% endif %}
final as (
    {{ broker_instruments_columns('kite_rows') }}
    {%- if other_feeds() %}
    union all
    {{ broker_instruments_columns('other_rows') }}
    {%- endif %}
)

select * from final
