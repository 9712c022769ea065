{#- The last steps of every broker's staging model but Kite's: judge each row and give it the
    common shape. Follows a comma; the model ends with `select * from final` after it.

    columns: what the dump calls broker_token, exchange_token, tradingsymbol, name, expiry,
        strike, tick_size, lot_size, instrument_type, option_type and market, for
        `rejections`.
    expiry_form: how the dump writes an expiry, in words.

    It reads a CTE `guarded`, whose columns are
    - _load_id, _line_number;
    - the texts broker_token, tradingsymbol, name, segment, underlying, series, isin, blank
      where the row does not say, and market, instrument_type, which the next two are
      made of;
    - exchange, kind: Kite's words, null where they are not known;
    - option_type: what an option's row says, trimmed;
    - exchange_token, expiry, strike, tick_size, lot_size: the texts, blank where the row
      writes a placeholder for nothing; and each with `_value`, typed, null if it does not
      type;
    - raw_expiry, raw_strike: as the dump has them, placeholders and all;
    - is_placeholder: whether the row stands for nothing that can be traded;

    and a CTE `this_feed`, the one row of stg_warehouse__build_feeds, if it is there. -#}
{% macro common_shape(columns, expiry_form) -%}
judged as (
    select
    {%- for column in [
        '_load_id', '_line_number', 'broker_token', 'tradingsymbol', 'name', 'market',
        'instrument_type', 'exchange', 'segment', 'kind', 'option_type', 'underlying',
        'series', 'isin', 'is_placeholder', 'exchange_token', 'exchange_token_value',
        'expiry', 'raw_expiry', 'expiry_value', 'strike', 'raw_strike', 'strike_value',
        'tick_size', 'tick_size_value', 'lot_size', 'lot_size_value',
    ] %}
        {{ column }},
    {%- endfor %}
        case kind
            when 'future' then 'FUT'
            when 'option' then option_type
            else 'EQ'
        end as kite_type,
        -- Nobody trades an index: its tick and lot, where written, mean nothing.
        case when coalesce(kind, '') <> 'index' then tick_size_value end
            as tick_of_trade,
        case when coalesce(kind, '') <> 'index' then lot_size_value end
            as lot_of_trade,
        (
            (exchange_token_value is not null or exchange_token = '')
            and (lot_size_value is not null or lot_size = '')
            and (strike_value is not null or strike = '')
            and (tick_size_value is not null or tick_size = '')
            and (expiry_value is not null or expiry = '')
            and exchange is not null
            and case kind
                when 'cash' then true
                when 'index' then true
                when 'future' then expiry <> ''
                when 'option'
                    then
                        expiry <> ''
                        and coalesce(strike_value, 0) > 0
                        and option_type in ('CE', 'PE')
                else false
            end
            and underlying <> ''
            and not {{ has_control_character(
                'broker_token || tradingsymbol || name || segment || underlying'
                ' || series || isin'
            ) }}
            and btrim(tradingsymbol) <> ''
            and btrim(broker_token) <> ''
            and length(tradingsymbol) <= 100
            and length(broker_token) <= 100
            and length(underlying) <= 100
            and length(name) <= 255
            and length(segment) <= 32
            and length(series) <= 32
            and length(isin) <= 32
        ) as is_typed
    from guarded
    offset 0 -- noqa: AM09
),

final as (
    select
        judged._line_number as line_number,
        judged.broker_token,
        judged.exchange_token_value as exchange_token,
        judged.tradingsymbol,
        judged.name,
        judged.exchange,
        judged.segment,
        judged.kite_type as instrument_type,
        judged.kind,
        nullif(judged.underlying, '') as underlying,
        nullif(judged.series, '') as series,
        nullif(judged.isin, '') as isin,
        case when judged.kind = 'option' then judged.option_type end as option_type,
        judged.is_typed,
        nullif(judged.strike_value, 0)::numeric(18, 6) as strike,
        judged.tick_of_trade::numeric(18, 6) as tick_size_inr,
        judged.lot_of_trade as lot_size,
        judged.expiry_value as expiry_date,
        case
            when judged.is_typed then '[]'::jsonb
            else {{ broker_rejections(columns, expiry_form) }}
        end as rejections,
        case
            when not judged.is_typed then null
            when
                judged.tradingsymbol like '%NSETEST%' or judged.name like '%NSETEST%'
                then 'test symbol'
            when judged.is_placeholder then 'placeholder'
            when judged.expiry_value < this_feed.as_of_date then 'expired'
        end as exclusion,
        judged._load_id as load_id
    from judged
    -- one row at most: the feed's day
    left join this_feed
        on true
)
{%- endmacro %}
