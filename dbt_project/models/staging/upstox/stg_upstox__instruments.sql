{{ config(enabled='upstox' in feeds()) }}

-- Upstox writes JSON, and wrote CSV. The CSV has no `segment`: its `exchange` says what
-- the segment of the JSON does.
with landed as (
    select * from {{ source('staging', 'upstox_instruments') }}
),

feeds as (
    select * from {{ ref('stg_warehouse__build_feeds') }}
),

this_feed as (
    select as_of_date
    from feeds
    where feed = 'upstox'
),

trimmed as (
    select
        _load_id,
        _line_number,
        segment = '' as is_csv,
        btrim(instrument_key) as instrument_key,
        btrim(exchange_token) as exchange_token,
        trading_symbol || tradingsymbol as tradingsymbol,
        name,
        btrim(isin) as isin,
        coalesce(nullif(btrim(segment), ''), btrim(exchange)) as segment,
        btrim(instrument_type) as instrument_type,
        btrim(option_type) as option_type,
        coalesce(nullif(btrim(underlying_symbol), ''), btrim(asset_symbol))
            as underlying_symbol,
        btrim(expiry) as expiry,
        btrim(strike_price || strike) as strike,
        btrim(tick_size) as tick_size,
        btrim(lot_size) as lot_size
    from landed
    offset 0 -- noqa: AM09
),

classified as (
    select
        _load_id,
        _line_number,
        is_csv,
        instrument_key,
        exchange_token,
        tradingsymbol,
        name,
        isin,
        segment,
        instrument_type,
        underlying_symbol,
        expiry,
        strike,
        tick_size,
        lot_size,
        case segment
            when 'NSE_EQ' then 'NSE'
            when 'NSE_INDEX' then 'NSE'
            when 'NSE_FO' then 'NFO'
            when 'NCD_FO' then 'CDS'
            when 'NSE_COM' then 'NCO'
            when 'BSE_EQ' then 'BSE'
            when 'BSE_INDEX' then 'BSE'
            when 'BSE_FO' then 'BFO'
            when 'BCD_FO' then 'BCD'
            when 'MCX_FO' then 'MCX'
            when 'MCX_INDEX' then 'MCX'
            when 'GLOBAL_INDEX' then 'GLOBAL'
            when 'GLOBAL_INDICATOR' then 'GLOBAL'
        end as exchange,
        case
            when segment like '%\_INDEX' or segment = 'GLOBAL_INDICATOR' then 'index'
            when segment like '%\_EQ' then 'cash'
            when is_csv and instrument_type like 'FUT%' then 'future'
            when is_csv and instrument_type like 'OPT%' then 'option'
            when is_csv and option_type = 'COM' then 'cash'
            when is_csv then null
            when instrument_type = 'COM' then 'cash'
            when instrument_type = 'FUT' then 'future'
            when instrument_type in ('CE', 'PE') then 'option'
        end as kind,
        case when is_csv then option_type else instrument_type end as option_type,
        -- Ticks in paise, but for rupees in the CSV's shares and their contracts.
        case
            when is_csv and segment in ('NSE_EQ', 'BSE_EQ', 'NSE_FO', 'BSE_FO') then 1
            else 0.01
        end as rupees
    from trimmed
    offset 0 -- noqa: AM09
),

valued as (
    select
        _load_id,
        _line_number,
        is_csv,
        instrument_key,
        exchange_token,
        tradingsymbol,
        name,
        isin,
        segment,
        instrument_type,
        underlying_symbol,
        exchange,
        kind,
        option_type,
        expiry,
        strike,
        tick_size,
        lot_size,
        case
            when is_csv then {{ calendar_date('expiry') }}
            else {{ epoch_day('expiry') }}
        end as expiry_value,
        {{ exact_decimal('strike') }} as strike_value,
        {{ scaled_decimal('tick_size', 'rupees') }} as tick_size_value,
        {{ whole_number('lot_size') }} as lot_size_value,
        {{ whole_number('exchange_token') }} as exchange_token_value
    from classified
    offset 0 -- noqa: AM09
),

-- The CSV tells a contract's underlying only in the symbol, before the terms.
spelled as (
    select
        _load_id,
        _line_number,
        is_csv,
        instrument_key,
        exchange_token,
        tradingsymbol,
        name,
        isin,
        segment,
        instrument_type,
        underlying_symbol,
        exchange,
        kind,
        option_type,
        expiry,
        strike,
        tick_size,
        lot_size,
        expiry_value,
        strike_value,
        tick_size_value,
        lot_size_value,
        exchange_token_value,
        case
            when is_csv and kind = 'future' then 'FUT'
            when is_csv and kind = 'option'
                then {{ plain_number_text('strike_value') }} || option_type
        end as terms
    from valued
    offset 0 -- noqa: AM09
),

tailed as (
    select
        _load_id,
        _line_number,
        is_csv,
        instrument_key,
        exchange_token,
        tradingsymbol,
        name,
        isin,
        segment,
        instrument_type,
        underlying_symbol,
        exchange,
        kind,
        option_type,
        expiry,
        strike,
        tick_size,
        lot_size,
        expiry_value,
        strike_value,
        tick_size_value,
        lot_size_value,
        exchange_token_value,
        case when terms is not null then to_char(expiry_value, 'YYMON') || terms end
            as monthly_tail,
        case
            when terms is not null
                then
                    to_char(expiry_value, 'YY')
                    || substr(
                        '123456789OND', extract(month from expiry_value)::integer, 1
                    )
                    || to_char(expiry_value, 'DD')
                    || terms
        end as weekly_tail
    from spelled
    offset 0 -- noqa: AM09
),

guarded as (
    select
        _load_id,
        _line_number,
        instrument_key as broker_token,
        tradingsymbol,
        name,
        segment as market,
        segment,
        instrument_type,
        exchange,
        kind,
        option_type,
        exchange_token,
        exchange_token_value,
        expiry,
        expiry as raw_expiry,
        expiry_value,
        strike,
        strike as raw_strike,
        strike_value,
        tick_size,
        tick_size_value,
        lot_size,
        lot_size_value,
        false as is_placeholder,
        coalesce(
            case
                when kind = 'index' then upper(split_part(instrument_key, '|', 2))
                when exchange = 'NSE' and not is_csv and instrument_type <> 'EQ'
                    then btrim(tradingsymbol) || '-' || instrument_type
                when exchange in ('NSE', 'BSE') then btrim(tradingsymbol)
                when kind = 'cash' then btrim(name)
                when not is_csv then underlying_symbol
                when right(tradingsymbol, length(monthly_tail)) = monthly_tail
                    then left(tradingsymbol, -length(monthly_tail))
                when right(tradingsymbol, length(weekly_tail)) = weekly_tail
                    then left(tradingsymbol, -length(weekly_tail))
            end,
            ''
        ) as underlying,
        case
            when not is_csv and segment like '%\_EQ' then instrument_type
            else ''
        end as series,
        case
            when is_csv and kind = 'cash' and segment like '%\_EQ'
                then split_part(instrument_key, '|', 2)
            else isin
        end as isin
    from tailed
    offset 0 -- noqa: AM09
),

{{ common_shape(
    columns={
        'broker_token': 'instrument_key',
        'exchange_token': 'exchange_token',
        'tradingsymbol': 'tradingsymbol',
        'name': 'name',
        'expiry': 'expiry',
        'strike': 'strike',
        'tick_size': 'tick_size',
        'lot_size': 'lot_size',
        'instrument_type': 'instrument_type',
        'option_type': 'option_type',
        'market': 'segment',
    },
    expiry_form='the last second of an Indian day in milliseconds',
) }}

select * from final
