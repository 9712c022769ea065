with focus_instruments as (
    select * from {{ ref('focus_instruments') }}
),
{% if other_feeds() %}
broker_instruments as (
    select * from {{ ref('broker_instruments') }}
),
{% endif %}
-- Each broker's spelling of each contract. The "C" collation sorts by code point, as
-- Python does.
contracts as (
    select
        'zerodha'::text as source,
        'zerodha_csv'::text as file,
        tradingsymbol collate "C" as symbol, -- noqa: RF03
        underlying collate "C" as underlying, -- noqa: RF03
        coalesce(option_type, 'FUT') as instrument_type
    from focus_instruments
    {%- if other_feeds() %}
    union all
    select
        broker_instruments.broker as source,
        case broker_instruments.broker
            when 'angel_one' then 'angel_one_json'
            when 'dhan' then 'dhan_csv'
            when 'upstox' then 'upstox_json'
            else broker_instruments.broker
        end as file,
        broker_instruments.tradingsymbol collate "C" as symbol, -- noqa: RF02
        focus_instruments.underlying collate "C" as underlying, -- noqa: RF02
        coalesce(focus_instruments.option_type, 'FUT') as instrument_type
    from focus_instruments
    -- one contract to one row a broker, or none
    inner join broker_instruments
        on
            focus_instruments.canonical_id = broker_instruments.canonical_id
            and broker_instruments.broker <> 'kite'
    {%- endif %}
),

types_counted as (
    select
        source,
        file,
        instrument_type,
        count(*) as counted
    from contracts
    group by source, file, instrument_type
),

sources_counted as (
    select
        source,
        jsonb_build_object(
            'file', file,
            'total', sum(counted),
            'by_type', jsonb_object_agg(instrument_type, counted)
        ) as counts
    from types_counted
    group by source, file
),

-- Kite's entry is there when nothing is listed, too.
sources_listed as (
    select
        '{"zerodha": {"file": "zerodha_csv", "total": 0, "by_type": {}}}'::jsonb
        || coalesce(jsonb_object_agg(source, counts), '{}') as sources
    from sources_counted
),

contracts_listed as (
    select
        coalesce(array_agg(distinct symbol order by symbol), '{}') as symbols,
        coalesce(array_agg(distinct underlying order by underlying), '{}')
            as underlyings
    from contracts
),

final as (
    select
        contracts_listed.symbols::text[] as symbols,
        cardinality(contracts_listed.symbols) as total_symbols,
        sources_listed.sources,
        contracts_listed.underlyings::text[] as underlying_indices,
        'Futures and options nearest to the money, by underlying: the nearest futures, '
        'and the strikes around the money of the nearest option expiries' as description
    from contracts_listed
    -- one row each
    cross join sources_listed
)

select * from final
