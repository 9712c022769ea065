{#- A decimal without trailing zeros: `26450`, `390.75`. How strikes stand in symbols and
    in canonical ids. -#}
{% macro plain_number_text(number) -%}
    trim_scale({{ number }})::text
{%- endmacro %}
