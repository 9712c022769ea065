{#- Guards for casts: each answers whether a text can be cast, and none can raise. -#}

{#- A whole number of zero or more, at most ten digits; `65.0` counts as 65. Ten digits
    fit a bigint, so that the comparison with int32's end happens on a number. -#}
{% macro is_whole_number(text) -%}
    {{ text }} ~ '^[0-9]{1,10}(\.0*)?$'
{%- endmacro %}

{#- A decimal of zero or more that numeric(18, 6) holds without rounding: no sign, no
    exponent, no NaN or Infinity. Zeros beyond the sixth decimal change nothing. -#}
{% macro is_decimal(text) -%}
    {{ text }} ~ '^[0-9]{1,12}(\.[0-9]{1,6}0*)?$'
{%- endmacro %}

{#- A day of the calendar as YYYY-MM-DD, years 1900 to 2099: the short months and the
    leap years are spelled out, because a cast of 2026-02-30 would end the build. -#}
{% macro is_calendar_date(text) -%}
    {{ text }} ~ (
        '^((19|20)[0-9]{2}-('
        '(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])'
        '|(0[13-9]|1[0-2])-(29|30)'
        '|(0[13578]|1[02])-31)'
        '|((19|20)(0[48]|[2468][048]|[13579][26])|2000)-02-29)$'
    )
{%- endmacro %}

{#- Line breaks, tabs, escapes and the other characters that a terminal obeys. -#}
{% macro has_control_character(text) -%}
    {{ text }} ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029\ufeff]'
{%- endmacro %}
