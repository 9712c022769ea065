{#- What a future or an option is on, as its canonical id says: `HINDPETRO` of
    `NFO:HINDPETRO:2026-08-25:390.75:CE`. A broker's name of a contract may be blank (all
    of Dhan's of NFO are). -#}
{% macro contract_underlying(canonical_id) -%}
    split_part({{ canonical_id }}, ':', 2)
{%- endmacro %}
