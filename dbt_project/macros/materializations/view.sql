{#- A view made in its place; see table.sql. -#}
{%- materialization view, adapter='postgres' -%}
    {%- set relation = this.incorporate(type='view') -%}
    {%- do out_of_the_way() -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        {{ create_view_as(relation, sql) }}
    {%- endcall -%}
    {%- do persist_docs(relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [relation]}) }}
{%- endmaterialization -%}
