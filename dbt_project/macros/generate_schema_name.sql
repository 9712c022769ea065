{#- Seeds and models land in exactly the target's schema, whatever a config says: the gate
    and the publisher find a candidate by that one name. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema }}
{%- endmacro %}
