{{ config(enabled=other_feeds() | length > 0) }}

with parameters as (
    select * from {{ ref('stg_warehouse__build_parameters') }}
),

aliases as (
    select * from {{ ref('instrument_aliases') }}
),

landed as (
    {{ broker_rows([
        'line_number', 'broker_token', 'exchange_token', 'tradingsymbol', 'name',
        'exchange', 'segment', 'instrument_type', 'kind', 'underlying', 'series', 'isin',
        'option_type', 'strike', 'tick_size_inr', 'lot_size', 'expiry_date',
    ], 'landed.is_typed and landed.exclusion is null') }}
),

final as (
    select
        landed.broker,
        landed.feed_position,
        landed.line_number,
        landed.exchange,
        landed.broker_token,
        case landed.kind
            when 'index'
                then coalesce(aliases.canonical_id, 'INDEX:' || landed.underlying)
            when 'cash' then landed.exchange || ':' || landed.underlying
            when 'future'
                then
                    landed.exchange
                    || ':'
                    || landed.underlying
                    || ':'
                    || to_char(landed.expiry_date, 'YYYY-MM-DD')
                    || ':FUT'
            else
                landed.exchange
                || ':'
                || landed.underlying
                || ':'
                || to_char(landed.expiry_date, 'YYYY-MM-DD')
                || ':'
                || {{ plain_number_text('landed.strike') }}
                || ':'
                || landed.option_type
        end as spelled_id,
        landed.exchange_token,
        landed.tradingsymbol,
        coalesce(landed.name, '') as name,
        landed.segment,
        landed.instrument_type,
        landed.kind,
        case
            when landed.kind in ('future', 'option') then 'contract' else landed.kind
        end as token_class,
        landed.underlying,
        landed.series,
        landed.isin,
        landed.option_type,
        aliases.canonical_id is not null as is_alias,
        -- NSE's symbols name the series of a share, as Kite's ids do; a row that
        -- does not say its series may be any of them.
        (
            landed.kind <> 'cash'
            or landed.exchange <> 'NSE'
            or landed.series is not null
        ) as is_series_told,
        landed.strike,
        landed.tick_size_inr,
        landed.lot_size,
        landed.expiry_date
    from landed
    -- many rows to one row of parameters
    cross join parameters
    -- many rows to one alias, or none
    left join aliases
        on
            landed.kind = 'index'
            and landed.broker = aliases.feed
            and landed.exchange = aliases.exchange
            and landed.underlying = aliases.spelling
    where
        -- A dump of an earlier day may hold what has expired since.
        landed.expiry_date is null
        or landed.expiry_date >= parameters.as_of_date
)

select * from final
