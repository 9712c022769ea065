{#- One entry of a row's `rejections`, or null when `reason` is null. -#}
{% macro rejection(column, reason) -%}
    case
        when ({{ reason }}) is not null
            then jsonb_build_object(
                'column', '{{ column }}',
                'value', left({{ column }}, 200),
                'reason', {{ reason }}
            )
    end
{%- endmacro %}
