{#- The guarded value of a whole number, as bigint; null where the guard says no. -#}
{% macro whole_number(text) -%}
    case
        when {{ is_whole_number(text) }} then split_part({{ text }}, '.', 1)::bigint
    end
{%- endmacro %}
