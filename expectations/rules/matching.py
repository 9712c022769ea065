"""Are the rows of the brokers beside Kite the instruments that they are published as?"""

from __future__ import annotations

from typing import Final

from expectations.rules.other_feeds import with_fresh_dumps, with_other_dumps
from expectations.rules.rule import Limit, Rule, Situation

_CONFLICTS_FACTS: Final = """
    select
        coalesce(sum(brokers.rows), 0)::bigint as evaluated,
        coalesce(sum(brokers.conflicts), 0)::bigint as conflicts,
        (array_agg(brokers.broker order by brokers.ratio desc, brokers.broker))[1] as worst,
        max(brokers.ratio) as ratio
    from (
        select
            broker,
            sum(rows) as rows,
            coalesce(sum(rows) filter (where match_status = 'token_conflict'), 0) as conflicts,
            coalesce(sum(rows) filter (where match_status = 'token_conflict'), 0) / sum(rows)
                as ratio
        from measure_matches
        group by broker
    ) as brokers
"""
# A token that names another contract at an earlier feed.
_CONFLICTS_UNEXPECTED: Final = """
    select
        conflicts.broker, conflicts.exchange, conflicts.broker_token, conflicts.exchange_token,
        conflicts.tradingsymbol, conflicts.match_reason
    from measure_conflicts as conflicts
    where (
        select count(*) from measure_conflicts as others where others.broker = conflicts.broker
    ) > {at_most} * (
        select feeds.published from measure_feeds as feeds where feeds.feed = conflicts.broker
    )
    order by conflicts.broker, conflicts.exchange, conflicts.broker_token
"""


def _with_subscriptions(situation: Situation) -> str | None:
    """Whether rows of other feeds could be about what is subscribed."""
    if situation.is_anything_subscribed:
        return with_other_dumps(situation)
    return "nothing is subscribed"


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="feed-conflicts-subscribed",
        title="No broker's token names another contract than a subscribed one",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=_with_subscriptions,
        facts="""
            select
                coalesce(sum(rows), 0)::bigint as evaluated,
                (select count(*) from measure_conflicts) as conflicts
            from measure_matches
        """,
        # By the exchange's number, which is one contract's within the derivatives of an exchange,
        # and one share's within its shares (an index has none that brokers share); and by the
        # two contracts that broker_disagreements names.
        unexpected="""
            select
                conflicts.broker, conflicts.exchange, conflicts.broker_token,
                conflicts.tradingsymbol as there, active.tradingsymbol as subscribed,
                conflicts.match_reason
            from measure_conflicts as conflicts
            -- one conflict to one row of Kite, or two under a number that it repeats
            inner join {candidate}.broker_instruments as kite
                on
                    kite.broker = 'kite'
                    and conflicts.exchange = kite.exchange
                    and conflicts.exchange_token = kite.exchange_token
                    and (conflicts.instrument_type = 'EQ') = (kite.instrument_type = 'EQ')
                    and kite.segment <> 'INDICES'
            -- one to one, or none
            inner join {candidate}.active_subscriptions as active
                on kite.instrument_token = active.instrument_token
            union
            select
                conflicts.broker, conflicts.exchange, conflicts.broker_token,
                conflicts.tradingsymbol as there, active.tradingsymbol as subscribed,
                conflicts.match_reason
            from measure_conflicts as conflicts
            -- one conflict to both of its contracts
            inner join {candidate}.broker_disagreements as disagreements
                on
                    disagreements.attribute = 'contract'
                    and conflicts.broker = disagreements.broker
                    and conflicts.exchange = disagreements.exchange
                    and conflicts.broker_token = disagreements.broker_token
            inner join {candidate}.active_subscriptions as active
                on active.canonical_id in (
                    disagreements.canonical_id, disagreements.broker_value
                )
            order by broker, exchange, broker_token, subscribed
        """,
        observed="conflicts in all: {conflicts:,}, among {evaluated:,} rows",
        limit="none of a subscribed contract",
        explanation="What is streamed by Kite's token is another contract at this broker under "
        "the same exchange number: an order there would buy the wrong one.",
        action="Compare both dumps with the exchange's list: one of the brokers is wrong or a day "
        "behind. Take the feed out of FEEDS until they agree.",
    ),
    Rule(
        id="feed-conflicts-few",
        title="Few tokens of a broker name another contract elsewhere",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=with_other_dumps,
        facts=_CONFLICTS_FACTS,
        parameters={"at_most": Limit("feed_conflicts_max_ratio")},
        unexpected=_CONFLICTS_UNEXPECTED,
        observed="conflicts: {conflicts:,} of {evaluated:,} rows; most at {worst} ({ratio:.3%})",
        limit="at most {feed_conflicts_max_ratio:.1%} of each broker's rows",
        explanation="The dumps are of different days, or this broker's is read wrongly: what it "
        "matches may be wrong as well.",
        action="Look at the days of the dumps first (feeds-current), then at the pairs below.",
    ),
    Rule(
        id="feed-conflicts-none",
        title="No token of a broker names another contract elsewhere",
        severity="warning",
        suite="feeds",
        applies=with_other_dumps,
        facts=_CONFLICTS_FACTS,
        parameters={"at_most": 0},
        unexpected=_CONFLICTS_UNEXPECTED,
        observed="conflicts: {conflicts:,} of {evaluated:,} rows; most at {worst} ({ratio:.3%})",
        limit="none",
        explanation="These rows are published without an instrument: nobody can say which of the "
        "two contracts the broker means.",
        action="Usually a renamed share or an adjusted strike that one broker shows a day later; "
        "do not trade these by number.",
    ),
    Rule(
        id="feed-matched-enough",
        title="A large part of each broker's rows is known from an earlier feed",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=with_other_dumps,
        facts="""
            select
                coalesce(sum(brokers.rows), 0)::bigint as evaluated,
                (array_agg(brokers.broker order by brokers.ratio, brokers.broker))[1] as lowest,
                min(brokers.ratio) as ratio
            from (
                select broker, sum(rows) as rows, sum(matched) / sum(rows) as ratio
                from measure_matched
                where is_compared
                group by broker
            ) as brokers
        """,
        unexpected="""
            with brokers as (
                select broker, sum(matched) / sum(rows) as ratio
                from measure_matched
                where is_compared
                group by broker
            )

            select
                matched.broker, matched.exchange, matched.rows, matched.matched,
                round(100.0 * matched.matched / matched.rows, 1) || ' %' as matched_part
            from measure_matched as matched
            -- many to one
            inner join brokers on matched.broker = brokers.broker
            where matched.is_compared and brokers.ratio < {feed_matched_min_ratio}
            order by matched.broker, matched.matched::numeric / matched.rows, matched.exchange
        """,
        observed="lowest is {lowest} with {ratio:.1%}; rows compared: {evaluated:,}",
        limit="at least {feed_matched_min_ratio:.0%} of each broker's live rows, in exchanges that "
        "an earlier feed lists too",
        explanation="Brokers list the same market: a dump of which so little is known elsewhere is "
        "of another day, or its format has changed.",
        action="Look at the day of the broker's dump, and at the reasons in broker_coverage.",
    ),
    Rule(
        id="feed-focus-matched",
        title="Every contract of a focus underlying is known to the brokers before",
        severity="warning",
        suite="feeds",
        applies=with_other_dumps,
        facts="""
            select
                coalesce(sum(rows), 0)::bigint as evaluated,
                coalesce(sum(unmatched), 0)::bigint as unmatched,
                (array_agg(broker order by rows, broker))[1] as fewest,
                min(rows) as rows
            from measure_focus_rows
        """,
        unexpected="""
            select
                brokers.broker, brokers.exchange, instruments.underlying, brokers.expiry_date,
                brokers.tradingsymbol, brokers.match_reason
            from {candidate}.broker_instruments as brokers
            -- many rows to one instrument
            inner join {candidate}.instruments as instruments
                on brokers.canonical_id = instruments.canonical_id
            -- many to one: the seed names an underlying once an exchange
            inner join {candidate}.focus_underlyings as focus
                on
                    instruments.underlying = focus.underlying
                    and instruments.exchange = focus.exchange
            where
                brokers.broker = any({other_feeds}::text[])
                and brokers.match_status = 'unmatched'
                and brokers.expiry_date >= {as_of}
            order by
                brokers.broker, brokers.exchange, instruments.underlying, brokers.expiry_date,
                brokers.broker_token
        """,
        observed="unmatched: {unmatched:,} of {evaluated:,} rows of focus underlyings; fewest rows "
        "at {fewest} ({rows:,})",
        limit="none of a focus underlying",
        explanation="The broker lists a contract of NIFTY, BANKNIFTY or SENSEX that Kite does not: "
        "it cannot be streamed, or one of the two dumps has a wrong term.",
        action="Look whether Kite lists it under other terms; far expiries that only one broker "
        "lists are harmless.",
    ),
    Rule(
        id="feed-focus-covered",
        title="Every broker with a dump of today lists the focus contracts of its exchanges",
        severity="warning",
        suite="feeds",
        applies=with_fresh_dumps,
        facts="""
            select
                count(*) as evaluated,
                count(*) filter (where not is_listed) as missing,
                (select broker from measure_focus group by broker
                order by count(*) filter (where not is_listed) desc, broker limit 1) as worst
            from measure_focus
        """,
        unexpected="""
            select broker, exchange, underlying, tradingsymbol as at_kite, canonical_id
            from measure_focus
            where not is_listed
            order by broker, exchange, underlying, canonical_id
        """,
        observed="not listed: {missing:,} of {evaluated:,} contracts and brokers; most at {worst}",
        limit="none",
        explanation="What programs trade near the money cannot be ordered at this broker, or its "
        "row names something else.",
        action="Look for the contract among the broker's rows that are unmatched or in conflict "
        "(make coverage).",
    ),
    Rule(
        id="feed-disagreements",
        title="Brokers agree on lots, ticks and expiries",
        severity="warning",
        suite="feeds",
        applies=with_other_dumps,
        # What one token means at two brokers is judged by the rules on conflicts; a day alone that
        # differs is told here too.
        facts="""
            select
                (
                    select coalesce(sum(matched), 0)::bigint from measure_matched
                ) as evaluated,
                count(*) as disagreements,
                count(*) filter (where is_active) as subscribed
            from {candidate}.broker_disagreements
            where attribute in ('lot_size', 'tick_size_inr', 'expiry_date')
        """,
        unexpected="""
            select
                broker, exchange, tradingsymbol, attribute, broker_value, reference_broker,
                reference_value, case when is_active then 'yes' end as subscribed
            from {candidate}.broker_disagreements
            where attribute in ('lot_size', 'tick_size_inr', 'expiry_date')
            order by is_active desc, broker, exchange, attribute, broker_token
        """,
        observed="terms that differ: {disagreements:,} of {evaluated:,} matched rows; subscribed: "
        "{subscribed:,}",
        limit="none",
        explanation="A quantity or a price that is right at one broker is refused at another. The "
        "first broker's word is published in instruments, each broker's own in "
        "broker_instruments.",
        action="Take lot and tick from the row of the broker that the order goes to. Some brokers "
        "count commodity lots in units of their own.",
    ),
)
