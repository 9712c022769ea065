with landed as (
    select * from {{ source('staging', 'kite_instruments') }}
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
        case when {{ is_decimal('strike') }} then strike::numeric(18, 6) end
            as strike_value,
        case when {{ is_decimal('tick_size') }} then tick_size::numeric(18, 6) end
            as tick_size_value,
        case when {{ is_calendar_date('expiry') }} then expiry::date end
            as expiry_value,
        {{ has_control_character('tradingsymbol || name || exchange || segment') }}
            as has_control_character
    from (
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
    ) as trimmed
    -- Keeps the planner from copying each guard into every place that uses its value,
    -- which would run every pattern two or three times a row.
    offset 0
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
            coalesce(instrument_token_value <= 2147483647, false)
            and coalesce(exchange_token_value <= 2147483647, exchange_token = '')
            and coalesce(lot_size_value <= 2147483647, lot_size = '')
            and (strike_value is not null or strike = '')
            and (tick_size_value is not null or tick_size = '')
            and case instrument_type
                when 'EQ' then expiry_value is not null or expiry = ''
                when 'FUT' then expiry_value is not null and btrim(name) <> ''
                when 'CE' then expiry_value is not null and btrim(name) <> ''
                when 'PE' then expiry_value is not null and btrim(name) <> ''
                else false
            end
            and (
                instrument_type not in ('CE', 'PE') or coalesce(strike_value, 0) > 0
            )
            and not has_control_character
            and btrim(tradingsymbol) <> '' and length(tradingsymbol) <= 100
            and length(name) <= 255
            and exchange <> '' and length(exchange) <= 32
            and segment <> '' and length(segment) <= 32
        ) as is_typed
    from guarded
),

final as (
    select
        _line_number as line_number,
        (
            case when instrument_token_value <= 2147483647 then instrument_token_value end
        )::integer as instrument_token,
        (
            case when exchange_token_value <= 2147483647 then exchange_token_value end
        )::integer as exchange_token,
        tradingsymbol,
        name,
        exchange,
        segment,
        instrument_type,
        is_typed,
        strike_value as strike,
        tick_size_value as tick_size_inr,
        (case when lot_size_value <= 2147483647 then lot_size_value end)::integer
            as lot_size,
        expiry_value as expiry_date,
        case
            when is_typed then '[]'::jsonb
            else to_jsonb(array_remove(array[
                {{ rejection('instrument_token',
                    whole_number_reason('instrument_token', is_required=true)) }},
                {{ rejection('exchange_token', whole_number_reason('exchange_token')) }},
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
