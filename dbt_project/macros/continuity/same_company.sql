{#- Whether two rows of shares are of one company: by ISIN where both say one, else by a
    name that is not blank. -#}
{% macro same_company(new, old) -%}
    coalesce(
        {{ new }}.new_isin = {{ old }}.old_isin,
        btrim({{ new }}.new_name) <> ''
        and btrim({{ new }}.new_name) = btrim({{ old }}.old_name),
        false
    )
{%- endmacro %}
