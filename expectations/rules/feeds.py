"""Did the brokers beside Kite arrive, whole and of a recent day?

What their rows are matched with is judged in `rules.matching`.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from expectations.rules.completeness import COMPARED_FACTS, COMPARED_UNEXPECTED, NO_LIMIT
from expectations.rules.other_feeds import (
    beside_other_feeds,
    with_many_other_rows,
    with_other_dumps,
    with_other_rows,
)
from expectations.rules.rule import Limit, Rule, Situation

_OTHERS: Final = sql.SQL("broker <> 'kite'")
_REJECTED_FACTS: Final = """
    select
        coalesce(sum(landed), 0)::bigint as evaluated,
        coalesce(sum(rejected), 0)::bigint as rejected,
        (array_agg(feed order by rejected / nullif(landed, 0)::numeric desc nulls last))[1]
            as worst,
        max(rejected / nullif(landed, 0)::numeric) as ratio
    from measure_feeds
    where feed = any({other_feeds}::text[]) and landed is not null
"""
_REJECTED_UNEXPECTED: Final = """
    select
        rows.feed, rows.line_number as line, rows.column_name, rows.value, rows.reason,
        rows.tradingsymbol, rows.exchange
    from {candidate}.rejected_rows as rows
    -- many to one
    inner join measure_feeds as feeds on rows.feed = feeds.feed
    where
        rows.feed = any({other_feeds}::text[])
        and feeds.rejected > feeds.landed * {max_ratio}
    order by rows.feed, rows.line_number, rows.column_name
"""


def _with_required_exchanges(situation: Situation) -> str | None:
    """Whether the settings require exchanges of brokers beside Kite."""
    if situation.thresholds.feed_required_exchanges:
        return with_other_dumps(situation)
    return beside_other_feeds(situation) or "the settings require no exchange of other brokers"


def _other_or_published_feeds(situation: Situation) -> str | None:
    """Whether this build, or the last publication, has a feed beside Kite's."""
    return None if situation.published_feeds else beside_other_feeds(situation)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="feeds-fresh",
        title="No broker's dump is older than the days it may stand in",
        severity="error",
        suite="feeds",
        applies=beside_other_feeds,
        facts="""
            select
                count(*) as evaluated,
                (array_agg(feed order by trading_days_old desc, feed))[1] as oldest,
                min(same_file_since) as oldest_date,
                max(trading_days_old) as days
            from measure_feeds
            where load_id is not null
        """,
        unexpected="""
            select
                feed,
                case
                    when as_of_date > {as_of} then 'its dump is of a later day'
                    when same_file_since < as_of_date
                        then 'the broker has served the same file since ' || same_file_since
                    else 'its last good dump stands in'
                end as trouble,
                as_of_date as dump_of,
                {as_of} as as_of_date,
                trading_days_old
            from measure_feeds
            where
                load_id is not null
                and (trading_days_old > {feed_stale_days} or as_of_date > {as_of})
            order by trading_days_old desc, feed
        """,
        observed="{evaluated} feeds; the oldest dump is {oldest}'s, first had for {oldest_date}, "
        "trading days behind: {days}",
        limit="at most {feed_stale_days} trading days behind the as-of day, and not ahead of it; "
        "the same file again is no newer dump",
        explanation="Contracts were listed, and lots and tokens changed, since that dump: an order "
        "by it may be refused, or meet another contract.",
        action="Find out why no new dump can be had (the run's warnings say it, or the broker "
        "rebuilds its file no more), or take the feed out of FEEDS until one can.",
    ),
    Rule(
        id="feeds-current",
        title="Every broker's rows are of today's dump",
        severity="warning",
        suite="feeds",
        applies=_other_or_published_feeds,
        facts="""
            select
                count(*) as evaluated,
                count(*) filter (where load_id is not null and not is_stale) as current
            from measure_feeds
        """,
        unexpected="""
            select
                feed,
                case
                    when is_stale is null then 'no feed of this build'
                    when load_id is null then 'no dump has ever been had'
                    else 'its last good dump stands in'
                end as trouble,
                case when load_id is not null then as_of_date end as dump_of,
                published as rows
            from measure_feeds
            where load_id is null or is_stale
            union all
            select
                feed, 'published last time, and no feed of this build', null, 0
            from unnest({published_feeds}::text[]) as published (feed)
            where not exists (
                select 1 from measure_feeds where measure_feeds.feed = published.feed
            )
            order by feed
        """,
        observed="today's dump: {current} of {evaluated} feeds",
        limit="all, and every feed of the last publication",
        explanation="Rows of an older dump are published again, marked stale with its day; a feed "
        "that never landed, or is switched off, has no rows at all.",
        action="Nothing if the broker is back tomorrow; look at the feed's warning in this run, "
        "and at FEEDS.",
    ),
    Rule(
        id="feeds-not-empty",
        title="Every broker whose dump has landed has rows",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=with_other_dumps,
        facts="""
            select count(*) as evaluated, coalesce(sum(published), 0)::bigint as rows
            from measure_feeds
            where feed = any({other_feeds}::text[]) and load_id is not null
        """,
        unexpected="""
            select feed, as_of_date as dump_of, landed, published
            from measure_feeds
            where feed = any({other_feeds}::text[]) and load_id is not null and published = 0
            order by feed
        """,
        observed="rows: {rows:,}; feeds beside Kite: {evaluated:,}",
        limit="at least 1 row each",
        explanation="Everything of this broker would vanish: its whole dump was rejected or left "
        "out.",
        action="Look at the reasons in rejected_rows and excluded_rows; the dump may be of another "
        "day.",
    ),
    Rule(
        id="feed-required-exchanges",
        title="Every other broker lists the exchanges that every broker must",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=_with_required_exchanges,
        facts="""
            select
                count(*) as evaluated,
                (select array_agg(distinct broker order by broker) from measure_exchanges
                where broker = any({landed_names}::text[]) and rows_in_dump > 0) as brokers
            from unnest({landed_names}::text[]) as feeds (feed)
            cross join unnest({feed_required_exchanges}::text[]) as required (exchange)
        """,
        unexpected="""
            select feeds.feed as broker, required.exchange as missing
            from unnest({landed_names}::text[]) as feeds (feed)
            cross join unnest({feed_required_exchanges}::text[]) as required (exchange)
            where not exists (
                select 1
                from measure_exchanges as found
                where
                    found.broker = feeds.feed
                    and found.exchange = required.exchange
                    and found.rows_in_dump > 0
            )
            order by feeds.feed, required.exchange
        """,
        observed="brokers with rows: {brokers}; pairs of broker and exchange: {evaluated}",
        limit="{feed_required_exchanges} of each",
        explanation="A broker that is read for the first time has nothing to be compared with: "
        "without a main exchange its dump is not the whole one, or is read wrongly.",
        action="Look at the dump. A broker that lists other markets only needs another "
        "GATE_FEED_REQUIRED_EXCHANGES.",
    ),
    Rule(
        id="feed-rows-collapsed",
        title="No exchange of another broker lost a large part of its instruments",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=with_many_other_rows,
        facts=COMPARED_FACTS,
        parameters={
            "min_rows": Limit("rows_compared_min"),
            "at_least": Limit("rows_block_ratio"),
            "at_most": NO_LIMIT,
            "of_brokers": _OTHERS,
        },
        unexpected=COMPARED_UNEXPECTED.replace("place as exchange", "broker, exchange"),
        observed="lowest is {lowest} with {ratio:.1%} of its live contracts of last time, "
        "of {evaluated} brokers' exchanges",
        limit="at least {rows_block_ratio:.0%} (contracts that expired since are not counted)",
        explanation="The broker's dump is cut short for this exchange: whatever trades there by "
        "it would lose its instruments.",
        action="Run again later; accept only if the broker announced it. The feed can be taken "
        "out of FEEDS.",
    ),
    Rule(
        id="feed-rows-low",
        title="Every exchange of another broker kept nearly all its instruments",
        severity="warning",
        suite="feeds",
        applies=with_other_rows,
        facts=COMPARED_FACTS,
        parameters={
            "min_rows": 1,
            "at_least": Limit("rows_warn_ratio"),
            "at_most": NO_LIMIT,
            "of_brokers": _OTHERS,
        },
        unexpected=COMPARED_UNEXPECTED,
        observed="lowest is {lowest} with {ratio:.1%} of its live contracts of last time, "
        "of {evaluated} brokers' exchanges",
        limit="at least {rows_warn_ratio:.0%} (contracts that expired since are not counted)",
        explanation="More contracts left this broker's exchange than expiries explain.",
        action="Look whether the other brokers still list them (broker_coverage).",
    ),
    Rule(
        id="feed-rows-reconcile",
        title="Every landed row of another broker is published, or said why not",
        severity="error",
        suite="feeds",
        applies=beside_other_feeds,
        facts="""
            select
                count(*) as evaluated,
                coalesce(sum(landed), 0)::bigint as landed,
                sum(published)::bigint as published,
                sum(rejected)::bigint as rejected,
                sum(excluded)::bigint as excluded,
                sum(repeated)::bigint as repeated
            from measure_feeds
            where feed = any({other_feeds}::text[])
        """,
        unexpected="""
            select
                feed, landed, published, rejected, excluded, repeated, covered,
                landed - published - rejected - excluded - repeated as unexplained
            from measure_feeds
            where
                feed = any({other_feeds}::text[])
                and (
                    coalesce(landed, 0) <> published + rejected + excluded + repeated
                    or coalesce(landed, 0) <> covered
                )
            order by feed
        """,
        observed="{landed:,} landed = {published:,} published + {rejected:,} rejected "
        "+ {excluded:,} excluded + {repeated:,} repeated",
        limit="the two sides are equal for each broker, and broker_coverage tells as many",
        explanation="Rows vanished or were invented between the broker's dump and the candidate, "
        "or the candidate holds a broker that is no feed of this build.",
        action="A defect of the models, not of the broker: do not accept; report it.",
    ),
    Rule(
        id="feed-rejected-few",
        title="Few rows of each other broker's dump are rejected",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=with_other_dumps,
        facts=_REJECTED_FACTS,
        parameters={"max_ratio": Limit("rejected_max_ratio")},
        unexpected=_REJECTED_UNEXPECTED,
        observed="rejected rows: {rejected:,} of {evaluated:,}; most at {worst} ({ratio:.3%})",
        limit="at most {rejected_max_ratio:.3%} of each",
        explanation="So many rows that do not type mean that the broker changed its format: what "
        "did type may be wrong as well.",
        action="Read the reasons below; if the format changed, the staging model must follow it.",
    ),
    Rule(
        id="feed-rejected-none",
        title="No row of another broker's dump is rejected",
        severity="warning",
        suite="feeds",
        applies=with_other_dumps,
        facts=_REJECTED_FACTS,
        parameters={"max_ratio": 0},
        unexpected=_REJECTED_UNEXPECTED,
        observed="rejected rows: {rejected:,} of {evaluated:,}; most at {worst} ({ratio:.3%})",
        limit="none",
        explanation="These rows of the broker are not published: nothing can trade by them there.",
        action="Look whether anyone needs them; they are in rejected_rows with file line.",
    ),
)
