-- A row of a dump that is neither an instrument of its broker nor listed as left out
-- has vanished: a trader asks for a contract that the broker does list and is told that
-- there is none. A row counted twice is an instrument too many.
-- noqa: disable=LT02
with covered as (
    select
        feed,
        sum(covered_rows) as covered,
        sum(covered_rows) filter (
            where
                status in (
                    'reference',
                    'matched',
                    'matched_terms_only',
                    'token_conflict',
                    'unmatched'
                )
        ) as listed,
        sum(covered_rows) filter (where status = 'repeated') as repeated,
        sum(covered_rows) filter (where status = 'excluded') as excluded,
        sum(covered_rows) filter (where status = 'rejected') as rejected
    from {{ ref('broker_coverage') }}
    group by feed
),

-- noqa: enable=LT02
staged as (
    {%- for feed in feeds() %}
    select
        '{{ feed }}' as feed,
        count(*) as staged
    from {{ ref('stg_' ~ feed ~ '__instruments') }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

listed_rows as (
    select
        broker as feed,
        count(*) as listed
    from {{ ref('broker_instruments') }}
    group by broker
),

repeated_rows as (
    select
        feed,
        count(*) as repeated
    from {{ ref('repeated_rows') }}
    where repeats = 'token'
    group by feed
),

excluded_rows as (
    select
        feed,
        sum(excluded_rows) as excluded
    from {{ ref('excluded_rows') }}
    group by feed
),

rejected_rows as (
    select
        feed,
        count(distinct line_number) as rejected
    from {{ ref('rejected_rows') }}
    group by feed
)

select
    staged.feed,
    staged.staged,
    covered.covered,
    covered.listed,
    listed_rows.listed as listed_rows,
    covered.repeated,
    repeated_rows.repeated as repeated_rows,
    covered.excluded,
    excluded_rows.excluded as excluded_rows,
    covered.rejected,
    rejected_rows.rejected as rejected_rows
from staged
-- one to one, or none
left join covered
    on staged.feed = covered.feed
-- one to one, or none
left join listed_rows
    on staged.feed = listed_rows.feed
-- one to one, or none
left join repeated_rows
    on staged.feed = repeated_rows.feed
-- one to one, or none
left join excluded_rows
    on staged.feed = excluded_rows.feed
-- one to one, or none
left join rejected_rows
    on staged.feed = rejected_rows.feed
where
    staged.staged <> coalesce(covered.covered, 0)
    or coalesce(covered.listed, 0) <> coalesce(listed_rows.listed, 0)
    or coalesce(covered.repeated, 0) <> coalesce(repeated_rows.repeated, 0)
    or coalesce(covered.excluded, 0) <> coalesce(excluded_rows.excluded, 0)
    or coalesce(covered.rejected, 0) <> coalesce(rejected_rows.rejected, 0)
