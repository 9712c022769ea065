with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

repeated as (
    select * from {{ ref('int_kite_instruments__repeated') }}
),

final as (
    select
        'kite'::text as feed,
        repeated.line_number,
        repeated.kept_line_number,
        case when repeated.repeats = 'token' then 'token' else 'symbol' end as repeats,
        instruments.instrument_token,
        instruments.tradingsymbol,
        instruments.exchange,
        instruments.segment,
        case repeated.repeats
            when 'token'
                then
                    'same token as line '
                    || repeated.kept_line_number
                    || ', which is kept; this row is left out'
            when 'canonical_id'
                then
                    'same instrument as line '
                    || repeated.kept_line_number
                    || ' under another token; instruments shows that line'
            else
                'same exchange and symbol as line '
                || repeated.kept_line_number
                || ', other terms; both are kept'
        end as reason
    from repeated
    -- one to one
    inner join instruments
        on repeated.line_number = instruments.line_number
)

select * from final
