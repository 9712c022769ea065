-- An order sent with one broker's token for another broker's contract is a position
-- that nobody wanted. Whatever the rules of matching do, both rows of a match must have
-- the same exchange, kind, expiry, strike and option type, and a contract the same
-- underlying.
{{ config(enabled=other_feeds() | length > 0) }}

with broker_instruments as (
    select * from {{ ref('broker_instruments') }}
    where broker <> 'kite'
),

matched as (
    select * from {{ ref('int_broker_instruments__matched') }}
),

instruments as (
    select * from {{ ref('instruments') }}
)

select
    broker_instruments.broker,
    broker_instruments.broker_token,
    broker_instruments.tradingsymbol,
    broker_instruments.canonical_id,
    broker_instruments.match_status,
    instruments.strike,
    broker_instruments.strike as broker_strike,
    instruments.expiry_date,
    broker_instruments.expiry_date as broker_expiry_date,
    instruments.underlying,
    matched.underlying as broker_underlying
from broker_instruments
-- one to one: the row with its underlying, which is not published
left join matched
    on
        broker_instruments.broker = matched.broker
        and broker_instruments.exchange = matched.exchange
        and broker_instruments.broker_token = matched.broker_token
-- many rows to one instrument, or none
left join instruments
    on broker_instruments.canonical_id = instruments.canonical_id
where
    broker_instruments.match_status <> 'token_conflict'
    and (
        instruments.canonical_id is null
        or instruments.expiry_date is distinct from broker_instruments.expiry_date
        or instruments.option_type is distinct from broker_instruments.option_type
        or (
            instruments.kind = 'option'
            and instruments.strike is distinct from broker_instruments.strike
        )
        or (
            instruments.kind in ('future', 'option')
            and instruments.underlying is distinct from matched.underlying
        )
        or (instruments.kind = 'future') <> (broker_instruments.instrument_type = 'FUT')
        or (
            instruments.kind <> 'index'
            and instruments.exchange <> broker_instruments.exchange
        )
        or (
            broker_instruments.match_status = 'unmatched'
            and instruments.reference_broker = 'kite'
        )
    )
