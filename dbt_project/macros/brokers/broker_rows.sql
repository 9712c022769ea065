{#- One select over the staging models of every feed but Kite, in their common shape, with
    the feed's name and place. Rows of a stale dump that expired since count as expired.
    Only for builds that have another feed.

    where: which rows, a condition over the common shape.
    columns: which of its columns. -#}
{% macro broker_rows(columns, where) -%}
    {%- for feed in other_feeds() %}
    select
        '{{ feed }}'::text as broker,
        {{ loop.index }} as feed_position,
        {%- for column in columns %}
        landed.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_' ~ feed ~ '__instruments') }} as landed
    where {{ where }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}
