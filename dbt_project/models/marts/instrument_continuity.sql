with paired as (
    select * from {{ ref('int_broker_instruments__paired') }}
),

-- `not materialized`: PostgreSQL would copy all rows of what is asked more than once.
candidate as not materialized (
    select * from {{ ref('broker_instruments') }}
),

published as (
    select * from {{ ref('stg_published__broker_instruments') }}
),

departed as (
    select * from {{ ref('stg_published__departed_instruments') }}
),

build_feeds as (
    select * from {{ ref('stg_warehouse__build_feeds') }}
),

-- The rows of a broker whose dump is not of today say nothing of today. Kite's own do:
-- its word holds until it says another.
silent_brokers as (
    select feed as broker
    from build_feeds
    where is_stale and feed <> 'kite'
),

-- What each broker says became of what. Kite is heard first: it spells `instruments`.
said as (
    select distinct
        (broker <> 'kite')::integer as preference,
        old_id,
        new_id,
        basis
    from paired
    where
        basis is not null
        and new_id is not null
        and old_id is not null
        and broker not in (select silent_brokers.broker from silent_brokers)
),

-- What Kite dropped and what it listed, without a reason to take the one for the other.
dropped as (
    select old_id as canonical_id
    from paired
    where broker = 'kite' and basis is null and old_id is not null
),

listed as (
    select new_id as canonical_id
    from paired
    where broker = 'kite' and basis is null and new_id is not null
),

-- The ids about which something else than "as it was" is said: arrived, gone, followed.
in_question as (
    select new_id as canonical_id
    from paired
    where new_id is not null and new_id is distinct from old_id
    union
    select old_id as canonical_id
    from paired
    where old_id is not null and old_id is distinct from new_id
),

-- Of those, the ids that a broker still spells for the same token: unchanged rows are
-- not among the pairs.
unchanged as (
    select distinct
        (candidate.broker <> 'kite')::integer as preference,
        candidate.canonical_id
    from in_question
    -- one id to one row, seldom to several
    inner join candidate
        on in_question.canonical_id = candidate.canonical_id
    -- one to one
    inner join published
        on
            candidate.broker = published.broker
            and candidate.exchange = published.exchange
            and candidate.broker_token = published.broker_token
            and candidate.canonical_id = published.canonical_id
    where
        candidate.broker not in (select silent_brokers.broker from silent_brokers)
),

evidence as (
    select
        preference,
        old_id,
        new_id,
        basis
    from said
    union all
    select
        preference,
        canonical_id as old_id,
        canonical_id as new_id,
        'unchanged' as basis
    from unchanged
),

-- That Kite dropped the old one and listed the new one is a no, which no other broker
-- overrules. Of a share in another series Kite may know no company, and another broker
-- its ISIN.
admitted as (
    select
        preference,
        old_id,
        new_id,
        basis
    from evidence
    where
        preference = 0
        or basis = 'series'
        or old_id not in (select dropped.canonical_id from dropped)
        or new_id not in (select listed.canonical_id from listed)
),

preferred as (
    select
        preference,
        old_id,
        new_id,
        basis,
        min(preference) over (partition by new_id) as best_of_new,
        min(preference) over (partition by old_id) as best_of_old
    from admitted
),

heard as (
    select
        old_id,
        new_id,
        -- Two reasons for one pair are one pair.
        min(basis) as basis
    from preferred
    where preference = best_of_new and preference = best_of_old
    group by old_id, new_id
),

kept as (
    select new_id as canonical_id
    from heard
    where old_id = new_id
),

-- What did not stay where it was: followed only where it is one to one.
counted as (
    select
        heard.old_id,
        heard.new_id,
        heard.basis,
        count(*) over (partition by heard.new_id) as predecessors,
        count(*) over (partition by heard.old_id) as successors
    from heard
    where
        heard.old_id <> heard.new_id
        and not exists (
            select 1 from kept
            where kept.canonical_id = heard.old_id
        )
        and not exists (
            select 1 from kept
            where kept.canonical_id = heard.new_id
        )
),

followed as (
    select
        old_id,
        new_id,
        basis
    from counted
    where predecessors = 1 and successors = 1
),

-- Ids of this build that neither stayed nor follow another.
unexplained as (
    select distinct paired.new_id as canonical_id
    from paired
    where
        paired.new_id is not null
        and not exists (
            select 1 from kept
            where kept.canonical_id = paired.new_id
        )
        and not exists (
            select 1 from followed
            where followed.new_id = paired.new_id
        )
),

-- It was published once and left: the last time that it did, one look-up an id.
last_departed as (
    select
        unexplained.canonical_id,
        latest.instrument_id,
        latest.broker,
        latest.exchange,
        latest.broker_token,
        latest.exchange_token
    from unexplained
    -- one id to the rows with which it left last, or none
    -- noqa: disable=LT02
    cross join lateral (
        select
            departed.instrument_id,
            departed.broker,
            departed.exchange,
            departed.broker_token,
            departed.exchange_token,
            rank() over (order by departed.valid_to desc) as recency
        from departed
        where departed.canonical_id = unexplained.canonical_id
    ) as latest
    -- noqa: enable=LT02
    where latest.recency = 1
),

-- Its exchange token is the one with which it left; where the exchange has none for it
-- (an index), its broker's own.
relisted as (
    select
        last_departed.canonical_id,
        min(last_departed.instrument_id) as instrument_id
    from last_departed
    -- one to one, seldom to several brokers
    inner join candidate
        on
            last_departed.canonical_id = candidate.canonical_id
            and last_departed.exchange = candidate.exchange
            and (
                last_departed.exchange_token = candidate.exchange_token
                or (
                    last_departed.exchange_token is null
                    and candidate.exchange_token is null
                    and last_departed.broker = candidate.broker
                    and last_departed.broker_token = candidate.broker_token
                )
            )
    group by last_departed.canonical_id
    -- Two that left with one id on one day: nobody can tell.
    having count(distinct last_departed.instrument_id) = 1
),

-- The id is published too, for something else.
reused as (
    select unexplained.canonical_id
    from unexplained
    where
        exists (
            select 1 from paired
            where paired.old_id = unexplained.canonical_id
        )
        and not exists (
            select 1 from relisted
            where relisted.canonical_id = unexplained.canonical_id
        )
),

final as (
    select
        new_id as canonical_id,
        old_id as continued_canonical_id,
        null::bigint as relisted_instrument_id,
        case basis when 'series' then 'series' else 'token' end as basis
    from followed
    union all
    select
        canonical_id,
        null as continued_canonical_id,
        null::bigint as relisted_instrument_id,
        'reused' as basis
    from reused
    union all
    select
        canonical_id,
        null as continued_canonical_id,
        instrument_id as relisted_instrument_id,
        'relisted' as basis
    from relisted
)

select * from final
