with focus_instruments as (
    select * from {{ ref('focus_instruments') }}
),

by_type as (
    select
        coalesce(option_type, 'FUT') as instrument_type,
        count(*) as contracts
    from focus_instruments
    group by coalesce(option_type, 'FUT')
),

final as (
    select
        -- The "C" collation is the order in which Python sorts text.
        coalesce(
            (
                select
                    array_agg(
                        distinct focus_instruments.tradingsymbol collate "C"
                        order by focus_instruments.tradingsymbol collate "C"
                    )
                from focus_instruments
            ),
            '{}'
        )::text[] as symbols,
        (select count(distinct focus_instruments.tradingsymbol) from focus_instruments)
        ::integer as total_symbols,
        jsonb_build_object(
            'zerodha',
            jsonb_build_object(
                'file', 'zerodha_csv',
                'total', (select count(*) from focus_instruments),
                'by_type', coalesce(
                    (
                        select jsonb_object_agg(by_type.instrument_type, by_type.contracts)
                        from by_type
                    ),
                    '{}'
                )
            )
        ) as sources,
        coalesce(
            (
                select
                    array_agg(
                        distinct focus_instruments.underlying collate "C"
                        order by focus_instruments.underlying collate "C"
                    )
                from focus_instruments
            ),
            '{}'
        )::text[] as underlying_indices,
        'Futures and options nearest to the money, by underlying: the nearest futures, '
        'and the strikes around the money of the nearest option expiries' as description
)

select * from final
