with instruments as (
    select * from {{ ref('int_kite_instruments__identified') }}
),

segments as (
    select * from {{ ref('exchange_segments') }}
),

repeated_tokens as (
    select instrument_token
    from instruments
    group by instrument_token
    having count(*) > 1
),

-- The order that decides which row of a repeated token stands. The last key is the
-- line, so there is never a tie.
ranked_tokens as (
    select
        instruments.line_number,
        first_value(instruments.line_number) over (
            partition by instruments.instrument_token
            order by
                coalesce(
                    instruments.instrument_token - segments.token_low_byte
                    = instruments.exchange_token::bigint * 256,
                    false
                ) desc,
                instruments.segment = 'NSE-INDICES',
                btrim(instruments.name) = '',
                instruments.line_number
        ) as kept_line_number
    from instruments
    -- many rows to one repeated token
    inner join repeated_tokens
        on instruments.instrument_token = repeated_tokens.instrument_token
    -- many rows to one segment, or none
    left join segments
        on
            instruments.exchange = segments.exchange
            and instruments.segment = segments.segment
),

token_repeats as (
    select
        line_number,
        kept_line_number
    from ranked_tokens
    where line_number <> kept_line_number
),

repeated_ids as (
    select canonical_id
    from instruments
    group by canonical_id
    having count(*) > 1
),

ranked_ids as (
    select
        instruments.line_number,
        first_value(instruments.line_number) over (
            partition by instruments.canonical_id
            order by
                instruments.segment = 'NSE-INDICES',
                btrim(instruments.name) = '',
                instruments.line_number
        ) as kept_line_number
    from instruments
    -- many rows to one repeated id
    inner join repeated_ids
        on instruments.canonical_id = repeated_ids.canonical_id
    -- one to one, or none: a row already dropped for its token is not listed twice
    left join token_repeats
        on instruments.line_number = token_repeats.line_number
    where token_repeats.line_number is null
),

id_repeats as (
    select
        line_number,
        kept_line_number
    from ranked_ids
    where line_number <> kept_line_number
),

repeated_symbols as (
    select
        exchange,
        tradingsymbol
    from instruments
    group by exchange, tradingsymbol
    having count(*) > 1
),

ranked_symbols as (
    select
        instruments.line_number,
        first_value(instruments.line_number) over (
            partition by instruments.exchange, instruments.tradingsymbol
            order by
                instruments.segment = 'NSE-INDICES',
                btrim(instruments.name) = '',
                instruments.line_number
        ) as kept_line_number
    from instruments
    -- many rows to one repeated symbol
    inner join repeated_symbols
        on
            instruments.exchange = repeated_symbols.exchange
            and instruments.tradingsymbol = repeated_symbols.tradingsymbol
    -- one to one, or none
    left join token_repeats
        on instruments.line_number = token_repeats.line_number
    where token_repeats.line_number is null
),

symbol_repeats as (
    select
        ranked_symbols.line_number,
        ranked_symbols.kept_line_number
    from ranked_symbols
    -- one to one, or none
    left join id_repeats
        on ranked_symbols.line_number = id_repeats.line_number
    where
        ranked_symbols.line_number <> ranked_symbols.kept_line_number
        and id_repeats.line_number is null
),

final as (
    select
        line_number,
        kept_line_number,
        'token' as repeats
    from token_repeats
    union all
    select
        line_number,
        kept_line_number,
        'canonical_id' as repeats
    from id_repeats
    union all
    select
        line_number,
        kept_line_number,
        'symbol' as repeats
    from symbol_repeats
)

select * from final
