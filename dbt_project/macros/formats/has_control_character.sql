{#- Whether a text holds a line break, tab, escape or another character that a terminal or
    a file format obeys. -#}
{% macro has_control_character(text) -%}
    {{ text }} ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029\ufeff]'
{%- endmacro %}
