-- A line that is neither typed nor rejected is an instrument that silently stopped
-- existing: every consumer would miss it and no report would say so. A dump of another
-- landing, or none at all, is caught here too.
with source_rows as (
    select count(*) as landed
    from {{ source('staging', 'kite_instruments') }}
),

staged_rows as (
    select
        count(*) as staged,
        count(*) filter (where is_typed) as typed,
        count(*) filter (where is_typed and rejections <> '[]') as typed_yet_rejected,
        min(load_id) as first_load_id,
        max(load_id) as last_load_id
    from {{ ref('stg_kite__instruments') }}
),

rejected as (
    select count(distinct line_number) as rejected
    from {{ ref('rejected_rows') }}
    where feed = 'kite'
),

parameters as (
    select load_id
    from {{ ref('stg_warehouse__build_parameters') }}
)

select
    source_rows.landed,
    staged_rows.staged,
    staged_rows.typed,
    rejected.rejected,
    staged_rows.first_load_id,
    staged_rows.last_load_id,
    parameters.load_id
from source_rows
cross join staged_rows
cross join rejected
-- one row of parameters; none is caught as well
left join parameters
    on true
where
    source_rows.landed = 0
    or source_rows.landed <> staged_rows.staged
    or staged_rows.staged <> staged_rows.typed + rejected.rejected
    or staged_rows.typed_yet_rejected > 0
    or staged_rows.first_load_id is distinct from parameters.load_id
    or staged_rows.last_load_id is distinct from parameters.load_id
