-- A segment that the seed does not know is a market whose tokens nobody checks, or a
-- kind of instrument that is filed wrongly: an index taken for a share, say.
{{ config(severity='warn') }}

with instruments as (
    select
        exchange,
        segment,
        kind,
        count(*) as instruments
    from {{ ref('instruments') }}
    -- The seed has Kite's words; other brokers have words of their own.
    where reference_broker = 'kite'
    group by exchange, segment, kind
),

segments as (
    select
        exchange,
        segment,
        kind
    from {{ ref('exchange_segments') }}
)

select
    instruments.exchange,
    instruments.segment,
    instruments.kind,
    segments.kind as kind_expected,
    instruments.instruments
from instruments
-- many kinds, if wrong, to one segment, or none
left join segments
    on
        instruments.exchange = segments.exchange
        and instruments.segment = segments.segment
where segments.kind is distinct from instruments.kind
