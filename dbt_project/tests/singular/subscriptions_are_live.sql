-- An expired contract, or a token that the dump no longer has, in the subscription
-- makes the WebSocket refuse the whole list or stream another contract that took the
-- token.
with active_subscriptions as (
    select
        instrument_token,
        canonical_id
    from {{ ref('active_subscriptions') }}
),

broker_instruments as (
    select
        instrument_token,
        canonical_id,
        expiry_date
    from {{ ref('broker_instruments') }}
    where broker = 'kite'
),

parameters as (
    select as_of_date
    from {{ ref('stg_warehouse__build_parameters') }}
)

select
    active_subscriptions.instrument_token,
    active_subscriptions.canonical_id,
    broker_instruments.expiry_date,
    parameters.as_of_date
from active_subscriptions
-- many subscriptions to one row of parameters
cross join parameters
-- one to one, or none
left join broker_instruments
    on active_subscriptions.instrument_token = broker_instruments.instrument_token
where
    broker_instruments.canonical_id is distinct from active_subscriptions.canonical_id
    or broker_instruments.expiry_date < parameters.as_of_date
