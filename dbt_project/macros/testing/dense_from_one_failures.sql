{#- Rows of `relation` whose `column` is not the next number after the one before it, from
    1 on: gaps, repeats, nulls and wrong starts. `relation` may be any table expression. -#}
{% macro dense_from_one_failures(relation, column) -%}
    select
        position_found,
        position_expected
    from (
        select
            {{ column }} as position_found,
            row_number() over (order by {{ column }}) as position_expected
        from {{ relation }}
    ) as numbered
    where position_found is distinct from position_expected
{%- endmacro %}
