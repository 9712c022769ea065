{#- A decimal of zero or more times `factor`, exact: the value if numeric(18, 6) holds it
    without rounding, else null, as it is for signs, exponents, NaN and Infinity. Brokers
    write some prices as multiples of the rupee; a factor such as 0.0000001 loses nothing,
    where a division could. `factor` may be a column. -#}
{% macro scaled_decimal(text, factor) -%}
    case
        when {{ text }} ~ '^[0-9]+(\.[0-9]+)?$' and length({{ text }}) <= 40
            then case
                when
                    {{ text }}::numeric * {{ factor }} < 1000000000000
                    and scale(trim_scale({{ text }}::numeric * {{ factor }})) <= 6
                    then ({{ text }}::numeric * {{ factor }})::numeric(18, 6)
            end
    end
{%- endmacro %}

{#- The decimal digits of a whole number that Java wrote with an exponent (`1.0E7` is
    10000000); any other text as it is. -#}
{% macro without_exponent(text) -%}
    case
        when {{ text }} like '%E_' and {{ text }} ~ '^[0-9]\.[0-9]+E[0-9]$'
            then trim_scale({{ text }}::numeric)::text
        else {{ text }}
    end
{%- endmacro %}
