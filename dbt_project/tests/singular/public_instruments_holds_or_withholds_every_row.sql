-- The legacy table has narrower numbers than the dump: a strike that was rounded to
-- fit makes an order at a strike that does not exist, and a row that is neither there
-- nor withheld is an instrument that legacy programs cannot see.
with broker_instruments as (
    select
        instrument_token,
        strike,
        tick_size_inr
    from {{ ref('broker_instruments') }}
    where broker = 'kite'
),

exported as (
    select
        instrument_token,
        strike,
        tick_size
    from {{ ref('exp_postgres__instruments') }}
),

withheld as (
    select instrument_token
    from {{ ref('withheld_rows') }}
    where destination = 'postgres'
)

select
    broker_instruments.instrument_token,
    exported.instrument_token as token_exported,
    withheld.instrument_token as token_withheld,
    broker_instruments.strike,
    exported.strike as strike_exported,
    broker_instruments.tick_size_inr,
    exported.tick_size as tick_size_exported
from broker_instruments
-- one to one, or none on either side
full join exported
    on broker_instruments.instrument_token = exported.instrument_token
-- one to one, or none
left join withheld
    on broker_instruments.instrument_token = withheld.instrument_token
where
    broker_instruments.instrument_token is null
    or (exported.instrument_token is null) = (withheld.instrument_token is null)
    or (
        exported.instrument_token is not null
        and (
            exported.strike is distinct from broker_instruments.strike
            or exported.tick_size is distinct from broker_instruments.tick_size_inr
        )
    )
