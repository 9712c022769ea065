-- With Kite alone there is nothing to map. The published view stays where it is, and
-- the file of who had several feeds before is written from it.
{{ config(enabled=feeds() | length > 1) }}

with instruments as (
    select * from {{ ref('instruments') }}
),

broker_instruments as (
    select * from {{ ref('broker_instruments') }}
),

-- A broker that lists an instrument twice is mapped by the row that instruments shows.
ranked as (
    select
        broker_instruments.canonical_id,
        broker_instruments.broker,
        broker_instruments.broker_token,
        broker_instruments.instrument_token,
        broker_instruments.tradingsymbol,
        row_number() over (
            partition by broker_instruments.canonical_id, broker_instruments.broker
            order by
                broker_instruments.tradingsymbol <> instruments.tradingsymbol,
                broker_instruments.exchange,
                broker_instruments.broker_token
        ) as preference
    from broker_instruments
    -- many rows to one instrument
    inner join instruments
        on broker_instruments.canonical_id = instruments.canonical_id
),

mapped as (
    select
        canonical_id,
        jsonb_object_agg(
            case broker when 'kite' then 'zerodha' else broker end,
            case broker
                when 'kite'
                    then
                        jsonb_build_object(
                            'tradingsymbol', tradingsymbol,
                            'instrument_token', instrument_token
                        )
                when 'dhan'
                    then
                        jsonb_build_object(
                            'tradingsymbol', tradingsymbol,
                            'security_id', broker_token
                        )
                when 'upstox'
                    then
                        jsonb_build_object(
                            'tradingsymbol', tradingsymbol,
                            'instrument_key', broker_token
                        )
                when 'angel_one'
                    then
                        jsonb_build_object(
                            'tradingsymbol', tradingsymbol,
                            'symboltoken', broker_token
                        )
                else
                    jsonb_build_object(
                        'tradingsymbol', tradingsymbol,
                        'broker_token', broker_token
                    )
            end
        ) as broker_mappings
    from ranked
    where preference = 1
    group by canonical_id
),

final as (
    select
        instruments.canonical_id,
        instruments.exchange,
        instruments.segment,
        case
            when instruments.kind = 'option' then instruments.option_type
            when instruments.kind = 'future' then 'FUT'
            else 'EQ'
        end as instrument_type,
        instruments.underlying,
        instruments.name,
        to_char(instruments.expiry_date, 'YYYY-MM-DD') as expiry,
        trim_scale(instruments.strike) as strike,
        instruments.option_type,
        instruments.lot_size,
        trim_scale(instruments.tick_size_inr) as tick_size,
        mapped.broker_mappings
    from instruments
    -- one to one
    inner join mapped
        on instruments.canonical_id = mapped.canonical_id
)

select * from final
