{#- After a table is built, its statistics, from a tenth of the usual sample. Without them the
    planner takes a fresh table for a small one: a join of a hundred thousand rows with
    themselves becomes a nested loop, which takes seconds, and with several feeds hours.

    A build of Kite alone needs them where `meta.is_analyzed` says so, one of several feeds
    everywhere. -#}
{% macro analyzed() -%}
    {%- if
        model.config.materialized == 'table'
        and (other_feeds() or model.config.meta.get('is_analyzed'))
    -%}
    set local default_statistics_target = 10;
    analyze {{ this }}
    {%- endif -%}
{%- endmacro %}
