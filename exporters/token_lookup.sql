-- The members of token_lookup_enriched.json as JSON text, two thousand to a row, in the
-- order of the tokens. PostgreSQL spells them: it has a processor of its own, while the
-- exporter packs the hashes of Redis. Numbers that readers take for floats end in a
-- decimal also when they are whole.
with entries as (
    select
        instrument_token,
        lot_size,
        '"' || instrument_token || '"' as member,
        to_json(exchange_token)::text as exchange_token,
        to_json(tradingsymbol)::text as tradingsymbol,
        to_json(coalesce(name, ''))::text as name,
        to_json(coalesce(expiry, ''))::text as expiry,
        to_json(instrument_type)::text as instrument_type,
        to_json(segment)::text as segment,
        to_json(exchange)::text as exchange,
        to_json(key)::text as key,
        to_json(source)::text as source,
        trim_scale(last_price)
        || case when last_price = trunc(last_price) then '.0' else '' end as last_price,
        coalesce(
            trim_scale(strike)
            || case when strike = trunc(strike) then '.0' else '' end,
            '0.0'
        ) as strike,
        coalesce(
            trim_scale(tick_size)
            || case when tick_size = trunc(tick_size) then '.0' else '' end,
            '0.0'
        ) as tick_size,
        (row_number() over (order by instrument_token) - 1) / 2000 as portion
    from exp_json__token_lookup
)

select
    string_agg(
        member
        || ':{"instrument_token":' || instrument_token
        || ',"exchange_token":' || exchange_token
        || ',"tradingsymbol":' || tradingsymbol
        || ',"name":' || name
        || ',"last_price":' || last_price
        || ',"expiry":' || expiry
        || ',"strike":' || strike
        || ',"tick_size":' || tick_size
        || ',"lot_size":' || lot_size
        || ',"instrument_type":' || instrument_type
        || ',"segment":' || segment
        || ',"exchange":' || exchange
        || ',"key":' || key
        || ',"source":' || source
        || '}',
        ','
        order by instrument_token
    ) as members,
    count(*) as entries
from entries
group by portion
order by portion
