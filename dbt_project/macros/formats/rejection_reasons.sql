{#- Why a value of a Kite row does not type, or null when it does. They run only on rows
    that failed, over the trimmed texts and guarded values of stg_kite__instruments. -#}

{% macro whole_number_reason(column, is_required=false) -%}
    case
        when {{ column }}_value is not null then null
        when {{ column }} = ''
            then {{ "'is blank'" if is_required else 'null' }}
        when {{ column }} ~ '^[0-9]+(\.0*)?$'
            then 'is beyond 2147483647, the largest 32-bit integer'
        else 'is not a whole number of zero or more'
    end
{%- endmacro %}

{% macro decimal_reason(column) -%}
    case
        when {{ column }} <> '' and {{ column }}_value is null
            then 'is not a decimal of zero or more with up to 12 digits and 6 decimals'
    end
{%- endmacro %}

{% macro strike_reason() -%}
    coalesce(
        {{ decimal_reason('strike') }},
        case
            when instrument_type in ('CE', 'PE') and coalesce(strike_value, 0) = 0
                then 'is zero or blank on an option'
        end
    )
{%- endmacro %}

{% macro expiry_reason(
    form='a calendar day written YYYY-MM-DD',
    expires="instrument_type in ('FUT', 'CE', 'PE')"
) -%}
    case
        when expiry <> '' and expiry_value is null
            then 'is not {{ form }}'
        when expiry = '' and {{ expires }}
            then 'is blank on a contract that expires'
    end
{%- endmacro %}

{% macro name_reason() -%}
    case
        when length(name) > 255 then 'is longer than 255 characters'
        when {{ has_control_character('name') }} then 'holds a control character'
        when btrim(name) = '' and instrument_type in ('FUT', 'CE', 'PE')
            then 'is blank on a contract, whose underlying it names'
    end
{%- endmacro %}

{% macro text_reason(column, longest) -%}
    case
        when btrim({{ column }}) = '' then 'is blank'
        when length({{ column }}) > {{ longest }}
            then 'is longer than {{ longest }} characters'
        when {{ has_control_character(column) }} then 'holds a control character'
    end
{%- endmacro %}

{% macro instrument_type_reason() -%}
    case
        when instrument_type not in ('EQ', 'FUT', 'CE', 'PE')
            then 'is not one of EQ, FUT, CE, PE'
    end
{%- endmacro %}
