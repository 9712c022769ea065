{{ config(enabled='dhan' in feeds()) }}

with landed as (
    select * from {{ source('staging', 'dhan_instruments') }}
),

feeds as (
    select * from {{ ref('stg_warehouse__build_feeds') }}
),

this_feed as (
    select as_of_date
    from feeds
    where feed = 'dhan'
),

trimmed as (
    select
        _load_id,
        _line_number,
        btrim(sem_smst_security_id) as security_id,
        sem_trading_symbol as trading_symbol,
        sm_symbol_name as symbol_name,
        btrim(sem_series) as series,
        btrim(sem_exm_exch_id) || '_' || btrim(sem_segment) as market,
        btrim(sem_segment) as segment,
        btrim(sem_instrument_name) as instrument_name,
        btrim(sem_option_type) as option_type,
        btrim(sem_expiry_date) as raw_expiry,
        btrim(sem_strike_price) as raw_strike,
        btrim(sem_tick_size) as tick_size,
        btrim(sem_lot_units) as lot_units
    from landed
    offset 0 -- noqa: AM09
),

classified as (
    select
        _load_id,
        _line_number,
        security_id,
        trading_symbol,
        symbol_name,
        series,
        market,
        segment,
        instrument_name,
        option_type,
        raw_expiry,
        raw_strike,
        tick_size,
        case
            when instrument_name = 'EQUITY' then 'cash'
            when instrument_name = 'INDEX' then 'index'
            when instrument_name like 'FUT%' then 'future'
            when instrument_name like 'OPT%' then 'option'
        end as kind,
        case market
            when 'NSE_E' then 'NSE'
            when 'NSE_I' then 'NSE'
            when 'NSE_D' then 'NFO'
            when 'NSE_C' then 'CDS'
            when 'NSE_M' then 'NCO'
            when 'BSE_E' then 'BSE'
            when 'BSE_I' then 'BSE'
            when 'BSE_D' then 'BFO'
            when 'BSE_C' then 'BCD'
            when 'MCX_M' then 'MCX'
            when 'NCDEX_M' then 'NCDEX'
        end as exchange,
        {{ without_exponent('lot_units') }} as lot_size,
        -- 0001-01-01 and dates of the last century stand for none.
        case
            when raw_expiry like '0001-%' or raw_expiry like '19__-%' then ''
            else raw_expiry
        end as expiry,
        case when raw_strike like '-0.01%' then '' else raw_strike end as strike,
        {{ without_time('raw_expiry') }} as expiry_iso
    from trimmed
    offset 0 -- noqa: AM09
),

guarded as (
    select
        _load_id,
        _line_number,
        -- Indices have numbers of shares; Dhan's API calls their segment IDX_I.
        case
            when kind = 'index' and security_id <> '' then 'IDX_I|' || security_id
            else security_id
        end as broker_token,
        trading_symbol as tradingsymbol,
        symbol_name as name,
        market,
        exchange,
        segment,
        instrument_name as instrument_type,
        kind,
        option_type,
        case when kind = 'cash' then series else '' end as series,
        raw_expiry,
        expiry,
        raw_strike,
        strike,
        tick_size,
        lot_size,
        ''::text as isin,
        -- From the symbol (BAJAJ-AUTO-Feb2026-9000-CE): the name is blank for NSE's
        -- contracts and a product code (SX50OPT) for BSE's.
        coalesce(
            case kind
                when 'index' then upper(btrim(trading_symbol))
                when 'future' then {{ before_dashes('trading_symbol', 2) }}
                when 'option' then {{ before_dashes('trading_symbol', 3) }}
                else
                    case
                        when exchange = 'NSE' and series not in ('EQ', '')
                            then btrim(trading_symbol) || '-' || series
                        else btrim(trading_symbol)
                    end
            end,
            ''
        ) as underlying,
        false as is_placeholder,
        -- Dhan's own numbers of indices are not the exchange's.
        case when kind = 'index' then '' else security_id end as exchange_token,
        case
            when kind = 'index' then null
            else {{ whole_number('security_id') }}
        end as exchange_token_value,
        {{ exact_decimal('strike') }} as strike_value,
        {{ scaled_decimal('tick_size', '0.01') }} as tick_size_value,
        {{ whole_number('lot_size') }} as lot_size_value,
        case when expiry <> '' then {{ calendar_date('expiry_iso') }} end
            as expiry_value
    from classified
    offset 0 -- noqa: AM09
),

{{ common_shape(
    columns={
        'broker_token': 'sem_smst_security_id',
        'exchange_token': 'sem_smst_security_id',
        'tradingsymbol': 'sem_trading_symbol',
        'name': 'sm_symbol_name',
        'expiry': 'sem_expiry_date',
        'strike': 'sem_strike_price',
        'tick_size': 'sem_tick_size',
        'lot_size': 'sem_lot_units',
        'instrument_type': 'sem_instrument_name',
        'option_type': 'sem_option_type',
        'market': 'sem_segment',
    },
    expiry_form='a calendar day written YYYY-MM-DD, with or without a time',
) }}

select * from final
