{#- The feeds of this build, in order, such as `['kite', 'dhan']`: what WAREHOUSE_FEEDS
    says, a comma list, or Kite alone. The only place in SQL that reads it: a feed's
    staging model is switched by `config(enabled='dhan' in feeds())`, its source, whose
    YAML knows no macros, by the same variable.

    An environment variable rather than a table, because it decides which models exist. -#}
{% macro feeds() -%}
    {%- set names = [] -%}
    {%- for name in env_var('WAREHOUSE_FEEDS', 'kite').split(',') if name | trim -%}
        {%- do names.append(name | trim) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}
