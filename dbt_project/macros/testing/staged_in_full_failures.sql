{#- One row of counts if the staging model of a feed has lost a landed row, or has one that
    is neither typed nor rejected, or both, or has rows of another landing than the one
    that is built; none if all is well. -#}
{% macro staged_in_full_failures(model, feed, landed, build_feeds) -%}
    with landed_rows as (
        select count(*) as landed
        from {{ landed }}
    ),

    staged_rows as (
        select
            count(*) as staged,
            count(*) filter (where is_typed and rejections = '[]') as typed,
            count(*) filter (
                where not is_typed and rejections <> '[]' and exclusion is null
            ) as rejected,
            min(load_id) as first_load_id,
            max(load_id) as last_load_id
        from {{ model }}
    ),

    built_feeds as (
        select
            feed,
            load_id
        from {{ build_feeds }}
        where feed = '{{ feed }}'
    )

    select
        landed_rows.landed,
        staged_rows.staged,
        staged_rows.typed,
        staged_rows.rejected,
        staged_rows.first_load_id,
        staged_rows.last_load_id,
        built_feeds.load_id
    from landed_rows
    cross join staged_rows
    -- one row of the feed; none is caught as well
    left join built_feeds
        on true
    where
        built_feeds.feed is null
        -- A feed that never came has no landing, and no rows.
        or (landed_rows.landed = 0 and built_feeds.load_id is not null)
        or landed_rows.landed <> staged_rows.staged
        or staged_rows.staged <> staged_rows.typed + staged_rows.rejected
        or staged_rows.first_load_id is distinct from built_feeds.load_id
        or staged_rows.last_load_id is distinct from built_feeds.load_id
{%- endmacro %}
