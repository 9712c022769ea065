{#- Days as brokers write them. Each gives a text YYYY-MM-DD for calendar_date to judge, or
    one that it will not take; only epoch_day gives a date. -#}

{#- `27NOV2036` becomes `2036-11-27`. -#}
{% macro day_month_year_iso(text) -%}
    substr({{ text }}, 6)
    || '-'
    || case substr({{ text }}, 3, 3)
        {%- for month in
            ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN',
            'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'] %}
        when '{{ month }}' then '{{ '%02d' | format(loop.index) }}'
        {%- endfor %}
        else '?'
    end
    || '-'
    || substr({{ text }}, 1, 2)
{%- endmacro %}

{#- `2026-02-24 14:30:00` becomes `2026-02-24`: a day and a time of the day, both Indian. -#}
{% macro without_time(text) -%}
    case
        when substr({{ text }}, 11) ~ '^ ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$'
            then left({{ text }}, 10)
        else {{ text }}
    end
{%- endmacro %}

{#- The Indian day that ends with the given millisecond's second: milliseconds since 1970 UTC
    that are 23:59:59 in India (UTC+05:30, no summer time), in the years 2000 to 2099. Any
    other instant is null: a feed that began to write midnight would be a day off, unseen. -#}
{% macro epoch_day(text) -%}
    case
        when {{ text }} ~ '^[0-9]+$' and length({{ text }}) between 12 and 13
            then case
                when
                    ({{ text }}::bigint + 19800000) % 86400000 = 86399000
                    and {{ text }}::bigint between 946665000000 and 4102425000000
                    then date '1970-01-01'
                        + (({{ text }}::bigint + 19800000) / 86400000)::integer
            end
    end
{%- endmacro %}
