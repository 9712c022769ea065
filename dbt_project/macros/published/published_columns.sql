{#- The select that reads a published table, column by column, whatever its age: a table
    that is not published yet gives no rows, and a column that an older publication did
    not have gives nulls of the right type.

    columns: list of [name, type], in order.
    schema: where it is; by default that of the published tables. -#}
{% macro published_columns(table, columns, schema=var('published_schema')) -%}
    {%- set relation = schema ~ '.' ~ table -%}
    {%- set held = [] -%}
    {%- if execute -%}
        {%- set found = run_query(
            "select attname from pg_attribute where attrelid = to_regclass('"
            ~ relation ~ "') and attnum > 0 and not attisdropped"
        ) -%}
        {%- set held = found.columns[0].values() -%}
    {%- endif -%}
    select
    {%- for name, type in columns %}
        {% if name in held %}{{ name }}{% else %}null{% endif %}::{{ type }} as {{ name }}
        {{- "," if not loop.last }}
    {%- endfor %}
    {% if held | length -%}
    from {{ relation }}
    {%- else -%}
    where false
    {%- endif %}
{%- endmacro %}
