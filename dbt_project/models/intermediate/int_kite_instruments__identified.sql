with landed as (
    select * from {{ ref('stg_kite__instruments') }}
),

classified as (
    select
        line_number,
        instrument_token,
        exchange_token,
        tradingsymbol,
        name,
        exchange,
        segment,
        instrument_type,
        case
            when instrument_type = 'FUT' then 'future'
            when instrument_type in ('CE', 'PE') then 'option'
            when segment in ('INDICES', 'NSE-INDICES') then 'index'
            else 'cash'
        end as kind,
        case
            when instrument_type = 'EQ' then btrim(tradingsymbol)
            else btrim(name)
        end as underlying,
        case when instrument_type in ('CE', 'PE') then instrument_type end
            as option_type,
        nullif(strike, 0) as strike,
        tick_size_inr,
        lot_size,
        expiry_date
    from landed
    where is_typed
),

-- What is the same for every strike of an expiry is spelled once: some three thousand
-- rows instead of a hundred thousand.
expiries as (
    select
        exchange,
        underlying,
        kind,
        expiry_date,
        exchange || ':' || underlying || ':' || to_char(expiry_date, 'YYYY-MM-DD')
            as canonical_prefix,
        underlying || to_char(expiry_date, 'YYMON') as monthly_prefix,
        underlying
        || to_char(expiry_date, 'YY')
        || substr('123456789OND', extract(month from expiry_date)::integer, 1)
        || to_char(expiry_date, 'DD') as weekly_prefix,
        expiry_date = max(expiry_date) over (
            partition by
                exchange,
                underlying,
                kind,
                extract(year from expiry_date),
                extract(month from expiry_date)
        ) as is_last_of_month
    from classified
    where kind in ('future', 'option')
    group by exchange, underlying, kind, expiry_date
),

spelled as (
    select
        classified.line_number,
        classified.instrument_token,
        classified.exchange_token,
        classified.tradingsymbol,
        classified.name,
        classified.exchange,
        classified.segment,
        classified.instrument_type,
        classified.kind,
        classified.underlying,
        classified.option_type,
        classified.strike,
        classified.tick_size_inr,
        classified.lot_size,
        classified.expiry_date,
        expiries.canonical_prefix,
        expiries.monthly_prefix,
        expiries.weekly_prefix,
        expiries.is_last_of_month,
        case
            when classified.kind = 'option'
                then {{ plain_number_text('classified.strike') }}
        end as strike_text
    from classified
    -- many rows to one expiry; none for cash and indices
    left join expiries
        on
            classified.exchange = expiries.exchange
            and classified.underlying = expiries.underlying
            and classified.kind = expiries.kind
            and classified.expiry_date = expiries.expiry_date
    -- Each prefix and the strike's text is used twice below: worked out once.
    offset 0 -- noqa: AM09
),

parsed as (
    select
        line_number,
        instrument_token,
        exchange_token,
        tradingsymbol,
        name,
        exchange,
        segment,
        instrument_type,
        kind,
        underlying,
        option_type,
        strike,
        tick_size_inr,
        lot_size,
        expiry_date,
        is_last_of_month,
        case kind
            when 'index' then 'INDEX:' || underlying
            when 'cash' then exchange || ':' || underlying
            when 'future' then canonical_prefix || ':FUT'
            else canonical_prefix || ':' || strike_text || ':' || option_type
        end as canonical_id,
        case
            when kind in ('index', 'cash') then 'plain'
            when kind = 'future' and tradingsymbol = monthly_prefix || 'FUT'
                then 'future'
            when kind = 'future' and tradingsymbol = weekly_prefix || 'FUT'
                then 'weekly_future'
            when
                kind = 'option'
                and tradingsymbol = monthly_prefix || strike_text || option_type
                then 'monthly'
            when
                kind = 'option'
                and tradingsymbol = weekly_prefix || strike_text || option_type
                then 'weekly'
            else 'unparsed'
        end as symbol_form
    from spelled
    offset 0 -- noqa: AM09
),

final as (
    select
        line_number,
        instrument_token,
        canonical_id,
        exchange_token,
        tradingsymbol,
        name,
        exchange,
        segment,
        instrument_type,
        kind,
        underlying,
        option_type,
        symbol_form,
        case
            when symbol_form in ('future', 'monthly') then is_last_of_month
            when symbol_form in ('weekly_future', 'weekly') then not is_last_of_month
            when symbol_form = 'unparsed' then false
        end as is_symbol_agreed,
        strike,
        tick_size_inr,
        lot_size,
        expiry_date
    from parsed
)

select * from final
