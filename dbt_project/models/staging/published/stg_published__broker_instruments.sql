with final as (
    {{ published_columns('broker_instruments', [
        ['broker', 'text'],
        ['instrument_token', 'integer'],
        ['canonical_id', 'text'],
        ['tradingsymbol', 'text'],
        ['name', 'text'],
        ['exchange', 'text'],
        ['instrument_type', 'text'],
        ['expiry_date', 'date'],
        ['strike', 'numeric(18, 6)'],
        ['tick_size_inr', 'numeric(18, 6)'],
        ['lot_size', 'integer'],
    ]) }}
)

select * from final
