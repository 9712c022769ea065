-- The members of token_lookup_enriched.json as JSON text, two thousand to a row, in the
-- order of the tokens. PostgreSQL spells them: it has a processor of its own, while the
-- exporter packs the hashes of Redis. Numbers that readers take for floats end in a
-- decimal also when they are whole.
with entries as (
    select
        instrument_token,
        exchange_token,
        tradingsymbol,
        coalesce(name, '') as name,
        case
            when last_price = trunc(last_price) then round(last_price, 1)
            else trim_scale(last_price)
        end as last_price,
        coalesce(expiry, '') as expiry,
        case
            when strike is null then 0.0
            when strike = trunc(strike) then round(strike, 1)
            else trim_scale(strike)
        end as strike,
        case
            when tick_size is null then 0.0
            when tick_size = trunc(tick_size) then round(tick_size, 1)
            else trim_scale(tick_size)
        end as tick_size,
        lot_size,
        instrument_type,
        segment,
        exchange,
        key,
        source
    from exp_json__token_lookup
),

members as (
    select
        instrument_token,
        '"' || instrument_token || '":' || row_to_json(entries)::text as member,
        (row_number() over (order by instrument_token) - 1) / 2000 as portion
    from entries
)

select
    string_agg(member, ',' order by instrument_token) as members,
    count(*) as entries
from members
group by portion
order by portion
