with landed as (
    select * from {{ source('staging', 'kite_instruments') }}
),

-- `offset 0` here and below keeps the planner from copying an expression into every
-- place that uses its value: each trim and pattern would run two to five times a row.
trimmed as (
    select
        _load_id,
        _line_number,
        btrim(instrument_token) as instrument_token,
        btrim(exchange_token) as exchange_token,
        tradingsymbol,
        name,
        btrim(exchange) as exchange,
        btrim(segment) as segment,
        btrim(instrument_type) as instrument_type,
        btrim(expiry) as expiry,
        btrim(strike) as strike,
        btrim(tick_size) as tick_size,
        btrim(lot_size) as lot_size
    from landed
    offset 0 -- noqa: AM09
),

guarded as (
    select
        _load_id,
        _line_number,
        instrument_token,
        exchange_token,
        tradingsymbol,
        name,
        exchange,
        segment,
        instrument_type,
        expiry,
        strike,
        tick_size,
        lot_size,
        {{ whole_number('instrument_token') }} as instrument_token_value,
        {{ whole_number('exchange_token') }} as exchange_token_value,
        {{ whole_number('lot_size') }} as lot_size_value,
        {{ exact_decimal('strike') }} as strike_value,
        {{ exact_decimal('tick_size') }} as tick_size_value,
        {{ calendar_date('expiry') }} as expiry_value,
        {{ has_control_character('tradingsymbol || name || exchange || segment') }}
            as has_control_character
    from trimmed
    offset 0 -- noqa: AM09
),

judged as (
    select
        _load_id,
        _line_number,
        instrument_token,
        exchange_token,
        tradingsymbol,
        name,
        exchange,
        segment,
        instrument_type,
        expiry,
        strike,
        tick_size,
        lot_size,
        instrument_token_value,
        exchange_token_value,
        lot_size_value,
        strike_value,
        tick_size_value,
        expiry_value,
        (
            instrument_token_value is not null
            and (exchange_token_value is not null or exchange_token = '')
            and (lot_size_value is not null or lot_size = '')
            and (strike_value is not null or strike = '')
            and (tick_size_value is not null or tick_size = '')
            and (expiry_value is not null or expiry = '')
            and case instrument_type
                when 'EQ' then true
                when 'FUT' then expiry <> '' and btrim(name) <> ''
                when 'CE'
                    then
                        expiry <> ''
                        and btrim(name) <> ''
                        and coalesce(strike_value, 0) > 0
                when 'PE'
                    then
                        expiry <> ''
                        and btrim(name) <> ''
                        and coalesce(strike_value, 0) > 0
                else false
            end
            and not has_control_character
            and btrim(tradingsymbol) <> ''
            and length(tradingsymbol) <= 100
            and length(name) <= 255
            and exchange <> ''
            and length(exchange) <= 32
            and segment <> ''
            and length(segment) <= 32
        ) as is_typed
    from guarded
),

final as (
    select
        _line_number as line_number,
        instrument_token_value as instrument_token,
        exchange_token_value as exchange_token,
        tradingsymbol,
        name,
        exchange,
        segment,
        instrument_type,
        is_typed,
        strike_value as strike,
        tick_size_value as tick_size_inr,
        lot_size_value as lot_size,
        expiry_value as expiry_date,
        case
            when is_typed then '[]'::jsonb
            else to_jsonb(array_remove(array[
                {{ rejection('instrument_token',
                    whole_number_reason('instrument_token', is_required=true)) }},
                {{ rejection('exchange_token',
                    whole_number_reason('exchange_token')) }},
                {{ rejection('tradingsymbol', text_reason('tradingsymbol', 100)) }},
                {{ rejection('name', name_reason()) }},
                {{ rejection('expiry', expiry_reason()) }},
                {{ rejection('strike', strike_reason()) }},
                {{ rejection('tick_size', decimal_reason('tick_size')) }},
                {{ rejection('lot_size', whole_number_reason('lot_size')) }},
                {{ rejection('instrument_type', instrument_type_reason()) }},
                {{ rejection('segment', text_reason('segment', 32)) }},
                {{ rejection('exchange', text_reason('exchange', 32)) }}
            ], null))
        end as rejections,
        _load_id as load_id
    from judged
)

select * from final
