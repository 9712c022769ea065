{#- A number as Python's `str(float)` writes it: `26450.0`, `390.75`, `0.0025`, `1e-05`;
    but `0` when zero or absent, as the programs behind Redis have always read it.
    PostgreSQL's shortest text of a double has the same digits as Python's; only the `.0`
    of whole numbers differs. -#}
{% macro python_float_text(number) -%}
    case
        when coalesce({{ number }}, 0) = 0 then '0'
        when {{ number }} = trunc({{ number }})
            then trunc({{ number }})::bigint::text || '.0'
        else {{ number }}::double precision::text
    end
{%- endmacro %}
