-- A token without its canonical instrument cannot be matched across brokers or days,
-- and an instrument without a token cannot be traded: joins of analysts would lose
-- either. Only a token in conflict leads nowhere, on purpose.
-- `not materialized`: PostgreSQL would copy all rows of what is asked more than once.
with instruments as not materialized (
    select canonical_id
    from {{ ref('instruments') }}
),

broker_instruments as (
    select canonical_id
    from {{ ref('broker_instruments') }}
    where match_status <> 'token_conflict'
)

select
    instruments.canonical_id as instrument_id,
    broker_instruments.canonical_id as broker_instrument_id
from instruments
-- one instrument to many tokens, or none on either side
full join broker_instruments
    on instruments.canonical_id = broker_instruments.canonical_id
where
    instruments.canonical_id is null
    or broker_instruments.canonical_id is null
union all
select
    'no instruments at all' as instrument_id,
    null as broker_instrument_id
where not exists (select 1 from instruments)
