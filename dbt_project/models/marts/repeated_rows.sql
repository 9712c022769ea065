with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),
{% if other_feeds() %}
broker_instruments as ( -- noqa: ST03
    select * from {{ ref('int_broker_instruments__identified') }}
),

broker_repeated as ( -- noqa: ST03
    select * from {{ ref('int_broker_instruments__repeated') }}
),
{% endif %}
listed as (
    select
        'kite'::text as feed,
        repeated.line_number,
        repeated.kept_line_number,
        repeated.repeats,
        instruments.instrument_token::text as broker_token,
        instruments.instrument_token,
        instruments.tradingsymbol,
        instruments.exchange,
        instruments.segment
    from repeated
    -- one to one
    inner join instruments
        on repeated.line_number = instruments.line_number
    {%- if other_feeds() %}
    union all
    select
        broker_repeated.broker as feed,
        broker_repeated.line_number,
        broker_repeated.kept_line_number,
        broker_repeated.repeats,
        broker_instruments.broker_token,
        null::integer as instrument_token,
        broker_instruments.tradingsymbol,
        broker_instruments.exchange,
        broker_instruments.segment
    from broker_repeated
    -- one to one
    inner join broker_instruments
        on
            broker_repeated.broker = broker_instruments.broker
            and broker_repeated.line_number = broker_instruments.line_number
    {%- endif %}
),

final as (
    select
        feed,
        line_number,
        kept_line_number,
        case when repeats = 'token' then 'token' else 'symbol' end as repeats,
        broker_token,
        instrument_token,
        tradingsymbol,
        exchange,
        segment,
        case repeats
            when 'token'
                then
                    'same token as line '
                    || kept_line_number
                    || ', which is kept; this row is left out'
            when 'canonical_id'
                then
                    'same instrument as line '
                    || kept_line_number
                    || ' under another token; instruments shows that line'
            else
                'same exchange and symbol as line '
                || kept_line_number
                || ', other terms; both are kept'
        end as reason
    from listed
)

select * from final
