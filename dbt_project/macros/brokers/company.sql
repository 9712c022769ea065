{#- A company by its name, in one spelling, since brokers write capitals and LTD in their
    own ways; null where the name is blank or is the symbol over again, with or without the
    series, which says nothing of who it is. -#}
{% macro company(name, symbol) -%}
    case
        when
            btrim({{ name }}) <> ''
            and upper(btrim({{ name }})) <> {{ symbol }}
            and not starts_with({{ symbol }}, upper(btrim({{ name }})) || '-')
            then regexp_replace(upper(btrim({{ name }})), '\s+(LTD|LIMITED)\.?$', '')
    end
{%- endmacro %}
