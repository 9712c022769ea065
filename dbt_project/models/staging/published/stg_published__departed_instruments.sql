with held as (
    {{ published_columns('past_broker_instrument_versions', [
        ['instrument_id', 'bigint'],
        ['canonical_id', 'text'],
        ['broker', 'text'],
        ['exchange', 'text'],
        ['broker_token', 'text'],
        ['exchange_token', 'integer'],
        ['valid_to', 'date'],
        ['superseded_by', 'bigint'],
    ], schema='history') }}
),

open_instruments as (
    {{ published_columns('current_instruments', [
        ['instrument_id', 'bigint'],
    ], schema='history') }}
),

final as (
    select
        held.instrument_id,
        held.canonical_id,
        held.broker,
        held.exchange,
        held.broker_token,
        held.exchange_token,
        held.valid_to
    from held
    where
        held.superseded_by is null
        and held.valid_to is not null
        -- Not one that goes on under another id or token.
        and not exists (
            select 1
            from open_instruments
            where open_instruments.instrument_id = held.instrument_id
        )
)

select * from final
