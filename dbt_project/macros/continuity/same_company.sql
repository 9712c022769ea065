{#- Whether two rows of shares are of one company: by ISIN where both say one, else by a
    name that says more than the symbol. Angel One's is the symbol without its series,
    whatever company that is of. -#}
{% macro same_company(new, old) -%}
    coalesce(
        {{ new }}.new_isin = {{ old }}.old_isin,
        btrim({{ new }}.new_name) = btrim({{ old }}.old_name)
        and btrim({{ new }}.new_name) not in (
            '',
            btrim({{ new }}.new_symbol),
            regexp_replace(btrim({{ new }}.new_symbol), '-[A-Z0-9]{2}$', '')
        ),
        false
    )
{%- endmacro %}
