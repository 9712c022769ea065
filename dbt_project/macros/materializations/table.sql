{#- A table made in its place. dbt's own materialization builds beside the old table, renames
    both and drops the old one, so that readers never miss it; nobody reads the candidate
    while it is built, and those renames are half of what dbt costs a node. -#}
{%- materialization table, adapter='postgres' -%}
    {%- set relation = this.incorporate(type='table') -%}
    {%- do out_of_the_way() -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        {{ create_table_as(False, relation, sql) }}
    {%- endcall -%}
    {%- do create_indexes(relation) -%}
    {%- do persist_docs(relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [relation]}) }}
{%- endmaterialization -%}

{#- Of a contract, the checks hold from the first row on and the key is made when the table is
    full: one sort, where an insert into the index for each row takes four times as long. What is
    dropped tomorrow is not vacuumed: that would fall into the very minute of the build. -#}
{%- macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- set kind = 'temporary' if temporary else 'unlogged' if config.get('unlogged') else '' -%}
    {%- set storage = '' if temporary else 'with (autovacuum_enabled = false)' -%}
    {%- if config.get('contract').enforced and not temporary -%}
        {{ get_assert_columns_equivalent(sql) }}
        {%- set columns = adapter.render_raw_columns_constraints(raw_columns=model['columns']) -%}
        {%- set rules, keys = [], [] -%}
        {%- for constraint in model['constraints'] -%}
            {%- set rendered = adapter.render_raw_model_constraints(raw_constraints=[constraint]) -%}
            {%- do (keys if constraint['type'] == 'primary_key' else rules).extend(rendered) -%}
        {%- endfor -%}
        create {{ kind }} table {{ relation }} (
            {{ (columns + rules) | join(',\n') }}
        ) {{ storage }};
        insert into {{ relation }} ({{ adapter.dispatch('get_column_names', 'dbt')() }}) (
            {{ get_select_subquery(sql) }}
        );
        {%- for key in keys %}
        alter table {{ relation }} add {{ key }};
        {%- endfor -%}
    {%- else -%}
        create {{ kind }} table {{ relation }} {{ storage }} as (
            {{ sql }}
        );
    {%- endif -%}
{%- endmacro -%}

{#- Drops what has the name of the model, of whatever kind, and what hangs on it. Committed at
    once: two models under one view would otherwise wait for each other to the end. -#}
{%- macro out_of_the_way() -%}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is not none -%}
        {%- do adapter.cache_dropped(held) -%}
        {%- call statement('out_of_the_way') -%}
            drop {{ held.type | replace('_', ' ') }} if exists {{ held }} cascade
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{%- endmacro -%}
