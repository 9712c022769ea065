with landed as (
    select * from {{ ref('stg_kite__instruments') }}
),

focus_underlyings as (
    select * from {{ ref('focus_underlyings') }}
),

rejected as (
    select
        'kite'::text as feed,
        line_number,
        tradingsymbol,
        name,
        exchange,
        rejections
    from landed
    where not is_typed
    {%- if other_feeds() %}
    union all
    select
        broker as feed,
        line_number,
        coalesce(tradingsymbol, '') as tradingsymbol,
        coalesce(underlying, name, '') as name,
        coalesce(exchange, segment, '') as exchange,
        rejections
    from (
        {{ broker_rows([
            'line_number', 'tradingsymbol', 'underlying', 'name', 'exchange', 'segment',
            'rejections',
        ], 'not landed.is_typed') }}
    ) as other_rows
    {%- endif %}
),

unnested as (
    select
        rejected.feed,
        rejected.line_number,
        rejected.tradingsymbol,
        rejected.name,
        rejected.exchange,
        entries.entry
    from rejected
    -- one row to one entry a rejected column
    cross join lateral jsonb_array_elements(rejected.rejections) as entries (entry)
),

final as (
    select
        feed,
        line_number,
        entry ->> 'column' as column_name,
        entry ->> 'value' as value,
        entry ->> 'reason' as reason,
        left(tradingsymbol, 200) as tradingsymbol,
        left(exchange, 200) as exchange,
        left(nullif(btrim(name), ''), 200) as underlying,
        -- The name may be what is wrong with the row: then its symbol, which begins
        -- with the underlying and a digit of the year, says whose it is.
        (
            select count(*) > 0
            from focus_underlyings
            where
                focus_underlyings.underlying = btrim(unnested.name)
                or (
                    starts_with(unnested.tradingsymbol, focus_underlyings.underlying)
                    and substr(
                        unnested.tradingsymbol,
                        length(focus_underlyings.underlying) + 1,
                        1
                    ) between '0' and '9'
                )
        ) as is_focus_underlying
    from unnested
)

select * from final
