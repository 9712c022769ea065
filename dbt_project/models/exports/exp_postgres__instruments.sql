with broker_instruments as (
    select * from {{ ref('broker_instruments') }}
),

active_subscriptions as (
    select * from {{ ref('active_subscriptions') }}
),

withheld_rows as (
    select * from {{ ref('withheld_rows') }}
),

final as (
    select
        broker_instruments.instrument_token,
        broker_instruments.exchange_token,
        broker_instruments.tradingsymbol as trading_symbol,
        broker_instruments.name,
        broker_instruments.exchange,
        broker_instruments.segment,
        broker_instruments.instrument_type,
        broker_instruments.expiry_date as expiry,
        broker_instruments.strike::numeric(12, 2) as strike,
        broker_instruments.tick_size_inr::numeric(10, 4) as tick_size,
        broker_instruments.lot_size,
        active_subscriptions.instrument_token is not null as is_active,
        broker_instruments.broker as source
    from broker_instruments
    -- one to one, or none
    left join active_subscriptions
        on broker_instruments.instrument_token = active_subscriptions.instrument_token
    -- one to one, or none
    left join withheld_rows
        on
            broker_instruments.instrument_token = withheld_rows.instrument_token
            and withheld_rows.destination = 'postgres'
    where
        broker_instruments.broker = 'kite'
        and withheld_rows.instrument_token is null
)

select * from final
