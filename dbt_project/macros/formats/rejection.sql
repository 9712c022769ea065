{#- One entry of a row's `rejections`, or null when `reason` is null. `column` is what the
    dump calls it; `value` where it stands, if under another name. -#}
{% macro rejection(column, reason, value=none) -%}
    case
        when ({{ reason }}) is not null
            then jsonb_build_object(
                'column', '{{ column }}',
                'value', left({{ value or column }}, 200),
                'reason', {{ reason }}
            )
    end
{%- endmacro %}
