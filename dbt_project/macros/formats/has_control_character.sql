{#- Whether a text holds a line break, tab, escape or another character that a terminal or
    a file format obeys; or one of the two that YAML forbids, for which its readers refuse
    the whole file: https://yaml.org/spec/1.2.2/#51-character-set. -#}
{% macro has_control_character(text) -%}
    {{ text }} ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]'
{%- endmacro %}
