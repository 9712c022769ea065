-- What the rules on brokers beside Kite read, filled after measures.sql where there are any: with
-- Kite alone none of it costs anything.
-- Placeholders, besides those of measures.sql: {compared_feeds} the brokers that were published
-- last time and have a new dump, {fresh_feeds} those with a dump of the day.

-- An exchange is compared where Kite lists it, and where anything of it met a row of an earlier
-- feed; in one that a broker is the first to list there is nothing to match.
create temporary table measure_matched as
select
    matches.broker,
    matches.exchange,
    sum(matches.rows)::bigint as rows,
    coalesce(
        sum(matches.rows) filter (
            where matches.match_status in ('matched', 'matched_terms_only')
        ), 0
    )::bigint as matched,
    bool_or(matches.match_status <> 'unmatched')
    or exists (
        select 1
        from measure_segments as kite
        where kite.exchange = matches.exchange and kite.rows_in_dump > 0
    ) as is_compared
from measure_matches as matches
where matches.is_live
group by matches.broker, matches.exchange;

create temporary table measure_conflicts as
select
    broker, exchange, broker_token, exchange_token, tradingsymbol, instrument_type, match_reason
from {candidate}.broker_instruments
where broker = any({other_feeds}::text []) and match_status = 'token_conflict';

-- What was matched in the last publication, in what of it is live.
create temporary table measure_matched_before as
select
    broker,
    exchange,
    count(*) as rows,
    count(*) filter (where match_status in ('matched', 'matched_terms_only')) as matched
from {published}
where broker = any({compared_feeds}::text []) and coalesce(expiry_date >= {as_of}, true)
group by broker, exchange;

create temporary table measure_coverage as
select
    before.broker,
    before.exchange,
    before.broker || ' ' || before.exchange as place,
    before.matched::numeric / before.rows as share_before,
    now.matched::numeric / now.rows as share_now,
    before.matched::numeric / before.rows - now.matched::numeric / now.rows as fall
from measure_matched_before as before
-- one to one, or none: an exchange that is gone is judged by its rows
inner join measure_matched as now
    on before.broker = now.broker and before.exchange = now.exchange
where before.rows >= {rows_compared_min};

-- Rows that were an instrument and are none, or another. A row that still spells the instrument
-- which it was is unmatched because an earlier feed lists that no more, or is read no more.
create temporary table measure_unmatched_since as
select
    changes.broker, changes.exchange, changes.broker_token, changes.tradingsymbol,
    changes.old_value, changes.new_value, changes.is_active
from {broker_changes} as changes
-- one to one, or none
left join (
    select broker, exchange, broker_token, canonical_id
    from {published}
    where broker = any({compared_feeds}::text [])
) as before
    on
        changes.broker = before.broker
        and changes.exchange = before.exchange
        and changes.broker_token = before.broker_token
where
    changes.broker = any({compared_feeds}::text [])
    and changes.change = 'match_changed'
    and changes.old_value <> 'token_conflict'
    and changes.new_value not in ('matched', 'matched_terms_only')
    and (changes.new_value <> 'unmatched' or before.canonical_id <> changes.canonical_id);

-- One row a compared broker and kind of change, also where nothing changed.
create temporary table measure_broker_changes as
with before as (
    select broker, sum(rows_before)::bigint as rows
    from measure_exchanges
    where broker = any({compared_feeds}::text [])
    group by broker
),

told as (
    select broker, change, count(*) as rows, count(*) filter (where is_active) as rows_active
    from {broker_changes} as changes
    where change <> 'match_changed'
    group by broker, change
    union all
    select
        broker, 'match_changed', count(*), count(*) filter (where is_active)
    from measure_unmatched_since
    group by broker
),

counted as (
    select
        before.broker,
        kinds.change,
        before.rows as rows_before,
        coalesce(told.rows, 0) as rows,
        coalesce(told.rows_active, 0) as rows_active,
        coalesce(delisted.rows, 0) as rows_delisted
    from before
    cross join (
        values
        ('listed'), ('expired'), ('delisted'), ('token_changed'), ('symbol_changed'),
        ('name_changed'), ('strike_changed'), ('expiry_changed'), ('lot_changed'),
        ('tick_changed'), ('match_changed')
    ) as kinds (change)
    -- one to one, or none
    left join told on before.broker = told.broker and kinds.change = told.change
    left join told as delisted on before.broker = delisted.broker and delisted.change = 'delisted'
)

select
    broker,
    change,
    -- What left cannot have changed its terms: only what stayed was compared for those.
    case when change in ('listed', 'delisted') then rows_before else rows_before - rows_delisted end
        as rows_compared,
    rows,
    rows_active,
    rows / nullif(rows_before, 0)::numeric as ratio
from counted;

-- Each focus contract of Kite at each broker with a dump of the day, in exchanges that it lists.
create temporary table measure_focus as
with listed as (
    select distinct rows.broker, rows.canonical_id
    from {candidate}.broker_instruments as rows
    inner join {candidate}.focus_instruments as focus on rows.canonical_id = focus.canonical_id
    where rows.broker = any({fresh_feeds}::text [])
)

select
    feeds.feed as broker,
    focus.exchange,
    focus.underlying,
    focus.canonical_id,
    focus.tradingsymbol,
    listed.broker is not null as is_listed
from {candidate}.focus_instruments as focus
cross join unnest({fresh_feeds}::text []) as feeds (feed)
-- one to one, or none
inner join measure_exchanges as exchanges
    on
        feeds.feed = exchanges.broker
        and focus.exchange = exchanges.exchange
        and exchanges.rows_in_dump > 0
-- one to one, or none
left join listed on feeds.feed = listed.broker and focus.canonical_id = listed.canonical_id;

-- The rows of each broker that are contracts of a focus underlying, also where it has none.
create temporary table measure_focus_rows as
with found as (
    select
        brokers.broker,
        count(*) as rows,
        count(*) filter (where brokers.match_status = 'unmatched') as unmatched
    from {candidate}.broker_instruments as brokers
    -- many rows to one instrument
    inner join {candidate}.instruments as instruments
        on brokers.canonical_id = instruments.canonical_id
    -- many to one: the seed names an underlying once an exchange
    inner join {candidate}.focus_underlyings as focus
        on instruments.underlying = focus.underlying and instruments.exchange = focus.exchange
    where brokers.broker = any({other_feeds}::text []) and brokers.expiry_date >= {as_of}
    group by brokers.broker
)

select
    feeds.feed as broker,
    coalesce(found.rows, 0) as rows,
    coalesce(found.unmatched, 0) as unmatched
from unnest({other_feeds}::text []) as feeds (feed)
left join found on feeds.feed = found.broker;
