{#- Whether two rows of shares are one share of one company. One ISIN is, and ISINs of two
    issuers (the first seven characters of India's) are not. An issuer gives a share a new
    ISIN when it splits it, and a new bond one as well: what kept its id and exchange token
    is the same, and so is what has the name, as where no ISIN is told. A name has to say
    more than the symbol (Angel One's is the symbol without its series, whatever company
    that is of), but for Kite's, who names companies: some are called like their symbol. -#}
{% macro same_company(new, old) -%}
    case
        when {{ new }}.new_isin = {{ old }}.old_isin then true
        when left({{ new }}.new_isin, 7) <> left({{ old }}.old_isin, 7) then false
        when
            {{ new }}.exchange = {{ old }}.exchange
            and {{ new }}.new_id = {{ old }}.old_id
            and {{ new }}.new_exchange_token = {{ old }}.old_exchange_token
            then true
        else
            coalesce(
                btrim({{ new }}.new_name) = btrim({{ old }}.old_name)
                and btrim({{ new }}.new_name) <> ''
                and (
                    {{ new }}.broker = 'kite'
                    or btrim({{ new }}.new_name) not in (
                        btrim({{ new }}.new_symbol),
                        regexp_replace(btrim({{ new }}.new_symbol), '-[A-Z0-9]{2}$', '')
                    )
                ),
                false
            )
    end
{%- endmacro %}
