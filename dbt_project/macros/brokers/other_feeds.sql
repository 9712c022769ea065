{#- The feeds of this build after the first, Kite, in their order. A broker earlier in the
    list is the reference for those after it. -#}
{% macro other_feeds() -%}
    {{ return(feeds() | reject('equalto', 'kite') | list) }}
{%- endmacro %}
