with focus_instruments as (
    select * from {{ ref('focus_instruments') }}
),

-- The "C" collation sorts by code point, as Python does.
contracts as (
    select
        tradingsymbol collate "C" as symbol, -- noqa: RF03
        underlying collate "C" as underlying, -- noqa: RF03
        coalesce(option_type, 'FUT') as instrument_type
    from focus_instruments
),

types_counted as (
    select
        instrument_type,
        count(*) as counted
    from contracts
    group by instrument_type
),

contracts_by_type as (
    select coalesce(jsonb_object_agg(instrument_type, counted), '{}') as by_type
    from types_counted
),

contracts_listed as (
    select
        coalesce(array_agg(distinct symbol order by symbol), '{}') as symbols,
        coalesce(array_agg(distinct underlying order by underlying), '{}')
            as underlyings,
        count(*) as total
    from contracts
),

final as (
    select
        contracts_listed.symbols::text[] as symbols,
        cardinality(contracts_listed.symbols) as total_symbols,
        jsonb_build_object(
            'zerodha',
            jsonb_build_object(
                'file', 'zerodha_csv',
                'total', contracts_listed.total,
                'by_type', contracts_by_type.by_type
            )
        ) as sources,
        contracts_listed.underlyings::text[] as underlying_indices,
        'Futures and options nearest to the money, by underlying: the nearest futures, '
        'and the strikes around the money of the nearest option expiries' as description
    from contracts_listed
    -- one row each
    cross join contracts_by_type
)

select * from final
