-- A token that is not its exchange token and its segment's low byte belongs to another
-- instrument: ingestion would stream that one's prices under this one's name.
with broker_instruments as (
    select
        instrument_token,
        exchange_token,
        tradingsymbol,
        exchange,
        segment
    from {{ ref('broker_instruments') }}
    where broker = 'kite'
),

segments as (
    select
        exchange,
        segment,
        token_low_byte
    from {{ ref('exchange_segments') }}
    where token_low_byte is not null
)

select
    broker_instruments.instrument_token,
    broker_instruments.exchange_token,
    segments.token_low_byte,
    broker_instruments.tradingsymbol,
    broker_instruments.exchange,
    broker_instruments.segment
from broker_instruments
-- many instruments to one segment
inner join segments
    on
        broker_instruments.exchange = segments.exchange
        and broker_instruments.segment = segments.segment
where
    broker_instruments.instrument_token - segments.token_low_byte
    is distinct from broker_instruments.exchange_token::bigint * 256
