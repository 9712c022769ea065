{#- The feeds of this build, in order, such as `['kite', 'dhan']`: what WAREHOUSE_FEEDS
    says, a comma list, or Kite alone. The only place in SQL that reads it; the staging
    folder of a feed is switched by the same variable in dbt_project.yml.

    An environment variable rather than a table, because it decides which models exist. -#}
{% macro feeds() -%}
    {%- set names = [] -%}
    {%- for name in env_var('WAREHOUSE_FEEDS', 'kite').split(',') if name | trim -%}
        {%- do names.append(name | trim) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}
