with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),
{% if other_feeds() %}
matched as (
    select * from {{ ref('int_broker_instruments__matched') }}
),

-- What no feed before a broker lists: its own first row of each such instrument.
first_unmatched as ( -- noqa: ST03
    select distinct on (matched.canonical_id)
        matched.canonical_id,
        matched.exchange,
        matched.segment,
        matched.kind,
        matched.underlying,
        matched.tradingsymbol,
        btrim(matched.name) as name,
        matched.broker as reference_broker,
        matched.option_type,
        matched.strike,
        matched.tick_size_inr,
        matched.lot_size,
        matched.expiry_date
    from matched
    where matched.match_status = 'unmatched'
    order by
        matched.canonical_id,
        matched.feed_position,
        -- Shares before bonds: the 8th and 9th place of an Indian share's ISIN are 01.
        coalesce(substr(matched.isin, 8, 2) <> '01', true),
        btrim(matched.name) = '',
        matched.line_number
),
{% endif %}
final as (
    select
        instruments.canonical_id,
        instruments.exchange,
        instruments.segment,
        instruments.kind,
        instruments.underlying,
        instruments.tradingsymbol,
        btrim(instruments.name) as name,
        'kite'::text as reference_broker,
        instruments.option_type,
        case when instruments.kind = 'option' then instruments.strike end as strike,
        instruments.tick_size_inr,
        instruments.lot_size,
        case
            when instruments.kind in ('future', 'option') then instruments.expiry_date
        end as expiry_date
    from instruments
    -- one to one, or none
    left join repeated
        on
            instruments.line_number = repeated.line_number
            and repeated.repeats in ('token', 'canonical_id')
    where repeated.line_number is null
    {%- if other_feeds() %}
    union all
    select
        first_unmatched.canonical_id,
        first_unmatched.exchange,
        first_unmatched.segment,
        first_unmatched.kind,
        first_unmatched.underlying,
        first_unmatched.tradingsymbol,
        first_unmatched.name,
        first_unmatched.reference_broker,
        first_unmatched.option_type,
        case
            when first_unmatched.kind = 'option' then first_unmatched.strike
        end as strike,
        first_unmatched.tick_size_inr,
        first_unmatched.lot_size,
        case
            when first_unmatched.kind in ('future', 'option')
                then first_unmatched.expiry_date
        end as expiry_date
    from first_unmatched
    {%- endif %}
)

select * from final
