{#- After a table is built, for builds of several feeds: its statistics. Without them the
    planner takes a fresh table for a small one, and a join of half a million rows with
    itself does not end. A build of Kite alone is planned well without, and pays nothing. -#}
{% macro analyzed() -%}
    {%- if other_feeds() and model.config.materialized == 'table' -%}
    analyze {{ this }}
    {%- endif -%}
{%- endmacro %}
