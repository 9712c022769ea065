{#- The `rejections` of a row that common_shape() found wanting; see there for `columns` and
    `expiry_form`. Runs only on such rows. -#}
{% macro broker_rejections(columns, expiry_form) -%}
    to_jsonb(array_remove(array[
        {{ rejection(columns.broker_token, text_reason('broker_token', 100),
            'broker_token') }},
        {{ rejection(columns.exchange_token, whole_number_reason('exchange_token'),
            'exchange_token') }},
        {{ rejection(columns.tradingsymbol, text_reason('tradingsymbol', 100),
            'tradingsymbol') }},
        {{ rejection(columns.tradingsymbol, underlying_reason(), 'tradingsymbol') }},
        {{ rejection(columns.name, long_text_reason('name', 255), 'name') }},
        {{ rejection(columns.expiry,
            expiry_reason(expiry_form, "kind in ('future', 'option')"), 'raw_expiry') }},
        {{ rejection(columns.strike, scaled_strike_reason(), 'raw_strike') }},
        {{ rejection(columns.tick_size, decimal_reason('tick_size'), 'tick_size') }},
        {{ rejection(columns.lot_size, whole_number_reason('lot_size'), 'lot_size') }},
        {{ rejection(columns.instrument_type, kind_reason(), 'instrument_type') }},
        {{ rejection(columns.option_type, option_type_reason(), 'option_type') }},
        {{ rejection(columns.market, market_reason(), 'market') }},
        {{ rejection('series', long_text_reason('series', 32)) }},
        {{ rejection('isin', long_text_reason('isin', 32)) }}
    ], null))
{%- endmacro %}

{% macro underlying_reason() -%}
    case
        when underlying = '' and kind is not null and btrim(tradingsymbol) <> ''
            then 'tells no underlying, nor does the rest of the row'
        when length(underlying) > 100
            then 'has an underlying of more than 100 characters'
        when {{ has_control_character('underlying') }}
            then 'has an underlying with a control character'
    end
{%- endmacro %}

{% macro long_text_reason(column, longest) -%}
    case
        when length({{ column }}) > {{ longest }}
            then 'is longer than {{ longest }} characters'
        when {{ has_control_character(column) }} then 'holds a control character'
    end
{%- endmacro %}

{% macro scaled_strike_reason() -%}
    coalesce(
        {{ decimal_reason('strike') }},
        case
            when kind = 'option' and coalesce(strike_value, 0) = 0
                then 'is zero or blank on an option'
        end
    )
{%- endmacro %}

{% macro kind_reason() -%}
    case when kind is null then 'is no type of instrument that is known here' end
{%- endmacro %}

{% macro option_type_reason() -%}
    case
        when kind = 'option' and option_type not in ('CE', 'PE')
            then 'says neither CE nor PE on an option'
    end
{%- endmacro %}

{% macro market_reason() -%}
    case
        when exchange is null
            then 'is no market that is known here, so neither are its units'
        when length(segment) > 32 then 'is longer than 32 characters'
        when {{ has_control_character('segment') }} then 'holds a control character'
    end
{%- endmacro %}
