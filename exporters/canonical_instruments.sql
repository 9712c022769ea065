-- The instruments of canonical_instruments.yaml, a line each, two thousand lines to a row, in
-- the order of their ids' code points. JSON's flow mappings and quoted texts are YAML too.
with lines as (
    select
        '  ' || to_json(canonical_id) || ': ' || json_strip_nulls(
            json_build_object(
                'exchange', exchange,
                'segment', segment,
                'instrument_type', instrument_type,
                'underlying', underlying,
                'name', name,
                'expiry', expiry,
                'strike', strike,
                'option_type', option_type,
                'lot_size', lot_size,
                'tick_size', tick_size,
                'broker_mappings', broker_mappings
            )
        ) as line,
        row_number() over (order by canonical_id collate "C") as position
    from exp_yaml__canonical_instruments
)

select
    string_agg(line, E'\n' order by position) as lines,
    count(*) as entries
from lines
group by (position - 1) / 2000
order by min(position)
