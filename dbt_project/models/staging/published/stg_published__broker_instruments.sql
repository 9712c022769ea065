with held as (
    {{ published_columns('broker_instruments', [
        ['broker', 'text'],
        ['exchange', 'text'],
        ['broker_token', 'text'],
        ['instrument_token', 'integer'],
        ['canonical_id', 'text'],
        ['exchange_token', 'integer'],
        ['tradingsymbol', 'text'],
        ['name', 'text'],
        ['instrument_type', 'text'],
        ['isin', 'text'],
        ['match_status', 'text'],
        ['expiry_date', 'date'],
        ['strike', 'numeric(18, 6)'],
        ['tick_size_inr', 'numeric(18, 6)'],
        ['lot_size', 'integer'],
    ]) }}
),

final as (
    select
        broker,
        exchange,
        -- Publications from before other brokers had Kite's number only.
        coalesce(broker_token, instrument_token::text) as broker_token,
        instrument_token,
        canonical_id,
        exchange_token,
        tradingsymbol,
        name,
        instrument_type,
        isin,
        match_status,
        expiry_date,
        strike,
        tick_size_inr,
        lot_size
    from held
)

select * from final
