{#- Casts that cannot raise: each gives the value of a text, or null where the text is not
    one. The patterns are plain repetitions on purpose: counted ones ({1,12}) take three
    times as long, so lengths and limits are held against the number instead. -#}

{#- A whole number of zero or more that fits a 32-bit integer; `65.0` counts as 65. Up to nine
    digits, as nearly all are, need no number of any size to be looked at first. -#}
{% macro whole_number(text) -%}
    case
        when length({{ text }}) <= 9 and {{ text }} ~ '^[0-9]+$' then {{ text }}::integer
        when {{ text }} ~ '^[0-9]+(\.0*)?$' and length({{ text }}) <= 40
            then case
                when {{ text }}::numeric <= 2147483647 then {{ text }}::numeric::integer
            end
    end
{%- endmacro %}

{#- A decimal of zero or more that numeric(18, 6) holds without rounding: no sign, no
    exponent, no NaN or Infinity. In eight characters, as nearly all are, there is no room for
    a seventh decimal. -#}
{% macro exact_decimal(text) -%}
    case
        when {{ text }} ~ '^[0-9]+(\.[0-9]+)?$' and length({{ text }}) <= 40
            then case
                when length({{ text }}) <= 8 then {{ text }}::numeric(18, 6)
                when
                    {{ text }}::numeric < 1000000000000
                    and scale(trim_scale({{ text }}::numeric)) <= 6
                    then {{ text }}::numeric(18, 6)
            end
    end
{%- endmacro %}

{#- A day of the calendar as YYYY-MM-DD, years 1900 to 2099: the short months and the
    leap years are spelled out, because a cast of 2026-02-30 would end the build. -#}
{% macro calendar_date(text) -%}
    case
        when
            {{ text }} ~ (
                '^((19|20)[0-9][0-9]-('
                '(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])'
                '|(0[13-9]|1[0-2])-(29|30)'
                '|(0[13578]|1[02])-31)'
                '|((19|20)(0[48]|[2468][048]|[13579][26])|2000)-02-29)$'
            )
            then {{ text }}::date
    end
{%- endmacro %}
