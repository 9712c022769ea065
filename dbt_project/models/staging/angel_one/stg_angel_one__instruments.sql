{{ config(enabled='angel_one' in feeds()) }}

with landed as (
    select * from {{ source('staging', 'angel_one_instruments') }}
),

feeds as (
    select * from {{ ref('stg_warehouse__build_feeds') }}
),

this_feed as (
    select as_of_date
    from feeds
    where feed = 'angel_one'
),

trimmed as (
    select
        _load_id,
        _line_number,
        btrim(token) as token,
        symbol,
        btrim(name) as name,
        btrim(expiry) as raw_expiry,
        btrim(strike) as raw_strike,
        btrim(lotsize) as lotsize,
        btrim(instrumenttype) as instrumenttype,
        btrim(exch_seg) as exch_seg,
        btrim(tick_size) as tick_size
    from landed
    offset 0 -- noqa: AM09
),

classified as (
    select
        _load_id,
        _line_number,
        token,
        symbol,
        name,
        raw_expiry,
        raw_strike,
        lotsize,
        instrumenttype,
        exch_seg,
        tick_size,
        case
            when instrumenttype in ('AMXIDX', 'INDEX') then 'index'
            when instrumenttype = '' and exch_seg in ('NSE', 'BSE') then 'cash'
            when instrumenttype = 'COMDTY' or instrumenttype like 'UND%' then 'cash'
            when instrumenttype like 'FUT%' then 'future'
            when instrumenttype like 'OPT%' then 'option'
        end as kind,
        -- Prices are rupees times a number of the exchange's own.
        case exch_seg
            when 'CDS' then 0.0000001
            when 'NCO' then 0.0001
            else 0.01
        end as rupees,
        case
            when exch_seg = 'NSE' and instrumenttype = ''
                then coalesce(substring(symbol from '-([A-Z0-9]{2})$'), '')
            else ''
        end as series,
        substr(raw_expiry, 8, 2) || substr(raw_expiry, 3, 3) as year_month,
        case
            when raw_expiry ~ '^[0-9]{2}[A-Z]{3}[0-9]{4}$'
                then {{ day_month_year_iso('raw_expiry') }}
        end as expiry_iso
    from trimmed
    offset 0 -- noqa: AM09
),

guarded as (
    select
        _load_id,
        _line_number,
        token as broker_token,
        symbol as tradingsymbol,
        name,
        exch_seg as market,
        exch_seg as segment,
        instrumenttype as instrument_type,
        kind,
        series,
        raw_expiry,
        raw_expiry as expiry,
        raw_strike,
        tick_size,
        ''::text as isin,
        case
            when
                exch_seg in (
                    'NSE', 'BSE', 'NFO', 'BFO', 'CDS', 'MCX', 'NCO', 'NCDEX'
                )
                then exch_seg
        end as exchange,
        case
            when kind <> 'option' then ''
            -- DHANIYA11DEC25CE7100FDEC25: after the name and the day.
            when exch_seg = 'NCDEX' then substr(symbol, length(name) + 8, 2)
            else right(symbol, 2)
        end as option_type,
        case
            when kind = 'index' then upper(symbol)
            when series = 'EQ' then left(symbol, -3)
            when exch_seg in ('NSE', 'BSE') then btrim(symbol)
            when name <> '' then name
            -- BSE's contracts on 360ONE have no name: 360ONE25DEC900PE.
            when strpos(symbol, year_month) > 1
                then split_part(symbol, year_month, 1)
            else ''
        end as underlying,
        -- What stands for an index among NSE's shares and currencies; the index has a
        -- row of its own.
        coalesce(
            (exch_seg = 'NSE' and instrumenttype = '' and series = '')
            or (exch_seg = 'CDS' and instrumenttype = 'INDEX'),
            false
        ) as is_placeholder,
        -- Neither its own numbers of indices nor NCDEX's texts are the exchange's.
        case
            when kind = 'index' or exch_seg = 'NCDEX' then ''
            else token
        end as exchange_token,
        case
            when kind = 'index' or exch_seg = 'NCDEX' then null
            else {{ whole_number('token') }}
        end as exchange_token_value,
        case when raw_strike like '-1.%' then '' else raw_strike end as strike,
        {{ scaled_decimal('raw_strike', 'rupees') }} as strike_value,
        {{ scaled_decimal('tick_size', 'rupees') }} as tick_size_value,
        case when lotsize = '-1' then '' else lotsize end as lot_size,
        {{ whole_number('lotsize') }} as lot_size_value,
        {{ calendar_date('expiry_iso') }} as expiry_value
    from classified
    offset 0 -- noqa: AM09
),

{{ common_shape(
    columns={
        'broker_token': 'token',
        'exchange_token': 'token',
        'tradingsymbol': 'symbol',
        'name': 'name',
        'expiry': 'expiry',
        'strike': 'strike',
        'tick_size': 'tick_size',
        'lot_size': 'lotsize',
        'instrument_type': 'instrumenttype',
        'option_type': 'symbol',
        'market': 'exch_seg',
    },
    expiry_form='a calendar day written DDMMMYYYY',
) }}

select * from final
