{#- Where `relation` is not the mirror of `original`: a key that only one side has, or a
    value that differs. Two empty sides are a failure too, or a lost table would pass.

    of: which rows of `original` it mirrors, a condition.
    values: {column of relation: expression over original}, both compared as numeric, so
    that a text such as `390.75` and a number that lost its decimals do not agree. -#}
{% macro mirrors_failures(relation, original, key, values, of='true') -%}
    with held as (
        select
            {{ key }} as key_held
            {%- for column in values %},
            {{ column }}::numeric as held_{{ loop.index }}
            {%- endfor %}
        from {{ relation }}
    ),

    wanted as (
        select
            {{ key }} as key_wanted
            {%- for expression in values.values() %},
            {{ expression }}::numeric as wanted_{{ loop.index }}
            {%- endfor %}
        from {{ original }}
        where {{ of }}
    )

    select
        held.key_held::text as key_held,
        wanted.key_wanted::text as key_wanted
    from held
    -- one to one, or none on either side
    full join wanted
        on held.key_held = wanted.key_wanted
    where
        held.key_held is null
        or wanted.key_wanted is null
        {%- for column in values %}
        or held.held_{{ loop.index }} is distinct from wanted.wanted_{{ loop.index }}
        {%- endfor %}
    union all
    select
        'nothing to compare' as key_held,
        null as key_wanted
    where not exists (select 1 from {{ original }} where {{ of }})
{%- endmacro %}
