"""Did an implausible part of another broker's rows change overnight?

Kite's rows are judged in `rules.change`. Each broker is judged by the part of its own rows, and
only with a new dump: what stands in for one cannot have changed.
"""

from __future__ import annotations

from typing import Final

from expectations.audit import Severity
from expectations.rules.other_feeds import with_changed_feeds, with_like_feeds
from expectations.rules.rule import Limit, Rule, Situation

_CHANGES: Final = """
    select
        coalesce(sum(rows_compared), 0)::bigint as evaluated,
        coalesce(sum(rows), 0)::bigint as changed,
        (array_agg(broker order by ratio desc, broker))[1] as worst,
        (array_agg(rows order by ratio desc, broker))[1] as changed_there,
        max(ratio) as ratio
    from measure_broker_changes
    where change = {change}
"""
_CHANGED_ROWS: Final = """
    select
        rows.broker, rows.exchange, rows.broker_token, rows.tradingsymbol, rows.old_value,
        rows.new_value, case when rows.is_active then 'yes' end as subscribed
    from {rows} as rows
    -- many rows to one count
    inner join measure_broker_changes as counts
        on rows.broker = counts.broker and counts.change = {change}
    where {which} and counts.ratio > {at_most}
    order by counts.ratio desc, rows.is_active desc, rows.broker, rows.exchange, rows.broker_token
"""
_OF_CHANGE: Final = "rows.change = {change}"
_ACTION: Final = (
    "Look at the samples: one underlying is a corporate action, all of them a dump that is read "
    "wrongly. Compare with the other brokers (make coverage), and leave the feed out of FEEDS "
    "until it is well; accept only if the exchange or the broker announced it."
)


def _churn(
    change: str, title: str, limit: str, explanation: str, severity: Severity = "error"
) -> Rule:
    """A rule: one kind of change touches a plausible part of each broker's rows."""
    return Rule(
        id=f"feed-churn-{change.removesuffix('_changed')}",
        title=title,
        severity=severity,
        suite="feeds",
        refuses_dumps=severity == "error",
        applies=with_changed_feeds,
        parameters={"change": change, "at_most": Limit(limit)},
        facts=_CHANGES,
        unexpected=_CHANGED_ROWS.replace("{rows}", "{broker_changes}").replace(
            "{which}", _OF_CHANGE
        ),
        observed="most at {worst}: {changed_there:,}, which is {ratio:.2%} of its live rows of the "
        "last publication; {changed:,} at all brokers",
        limit="at most {" + limit + ":.0%} of each broker's",
        explanation=explanation,
        action=_ACTION,
    )


def _with_subscriptions(situation: Situation) -> str | None:
    """The rule is about what is subscribed, at brokers that can have changed."""
    if situation.is_anything_subscribed:
        return with_changed_feeds(situation)
    return with_changed_feeds(situation) or (
        "nothing is subscribed, and nothing was in the last publication"
    )


RULES: Final[tuple[Rule, ...]] = (
    _churn(
        "listed",
        "A plausible number of each other broker's rows is new",
        "churn_listed_max_ratio",
        "Far more new rows than a new expiry brings: the broker's dump, or what was published of "
        "it, is not what it should be.",
        "warning",
    ),
    _churn(
        "delisted",
        "Few rows of each other broker left before their expiry",
        "churn_max_ratio",
        "So many live contracts do not leave a broker in a night: its dump is cut short, or its "
        "tokens and terms changed at once.",
    ),
    _churn(
        "symbol_changed",
        "Few symbols of each other broker changed",
        "churn_identity_max_ratio",
        "Orders and lookups by this broker's symbols would meet nothing, or other contracts.",
    ),
    _churn(
        "token_changed",
        "Few tokens of each other broker changed",
        "churn_identity_max_ratio",
        "Orders by yesterday's tokens of this broker would buy other contracts.",
    ),
    _churn(
        "strike_changed",
        "Few strikes of each other broker changed",
        "churn_identity_max_ratio",
        "Strikes change by corporate action only, a few underlyings at a time: the broker may "
        "count them in another unit now.",
    ),
    _churn(
        "lot_changed",
        "Lots of each other broker changed for a plausible part only",
        "churn_max_ratio",
        "Order quantities at this broker would be wrong wherever its lot is.",
    ),
    _churn(
        "tick_changed",
        "Ticks of each other broker changed for a plausible part only",
        "churn_max_ratio",
        "Limit prices would be refused wherever the tick is wrong: the broker may count in "
        "another unit now.",
    ),
    _churn(
        "expiry_changed",
        "Expiries of each other broker moved for a plausible part only",
        "churn_max_ratio",
        "Expiries move for holidays and rule changes, which exchanges announce; all of them at "
        "once is a date that is read wrongly.",
    ),
    Rule(
        id="feed-churn-match",
        title="What each other broker's rows are taken for stays",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=with_changed_feeds,
        parameters={"change": "match_changed", "at_most": Limit("feed_churn_match_max_ratio")},
        facts=_CHANGES,
        unexpected=_CHANGED_ROWS.replace("{rows}", "measure_unmatched_since").replace(
            "{which}", "true"
        ),
        observed="most at {worst}: {changed_there:,}, which is {ratio:.2%} of its live rows of the "
        "last publication; {changed:,} at all brokers",
        limit="at most {feed_churn_match_max_ratio:.0%} of each broker's",
        explanation="These rows were an instrument yesterday and are none today, or another: "
        "whoever resolves them finds nothing, or something else.",
        action="Look at the samples and at the reasons in broker_coverage: a token that names "
        "another contract elsewhere is the usual one, and the dumps' days its cause.",
    ),
    Rule(
        id="feed-subscriptions-unchanged",
        title="No subscribed contract changed its lot, tick, token or terms at another broker",
        severity="warning",
        suite="feeds",
        applies=_with_subscriptions,
        facts="""
            select
                (
                    select count(*)
                    from {published}
                    where
                        broker = any({compared_feeds}::text[])
                        and canonical_id in (
                            select canonical_id from {candidate}.active_subscriptions
                            union
                            select canonical_id from {published_subscriptions}
                        )
                ) as evaluated,
                (
                    select coalesce(sum(rows_active), 0)::bigint
                    from measure_broker_changes
                    where change not in ('listed', 'expired')
                ) as touched
        """,
        unexpected="""
            select
                rows.broker, rows.change, rows.exchange, rows.broker_token, rows.tradingsymbol,
                rows.old_value, rows.new_value
            from {broker_changes} as rows
            where
                rows.is_active
                and rows.broker = any({compared_feeds}::text[])
                and rows.change not in ('listed', 'expired', 'match_changed')
            union all
            select
                broker, 'match_changed', exchange, broker_token, tradingsymbol, old_value,
                new_value
            from measure_unmatched_since
            where is_active
            order by broker, change, exchange, tradingsymbol, broker_token
        """,
        observed="changes of subscribed contracts: {touched:,}, of {evaluated:,} rows at other "
        "brokers",
        limit="none",
        explanation="What is streamed by Kite is ordered elsewhere: whoever cached this broker's "
        "lot, tick or token has an outdated one.",
        action="Restart what caches them after publishing.",
    ),
    Rule(
        id="feed-coverage-fell",
        title="As large a part of each other broker's exchange is matched as last time",
        severity="error",
        suite="feeds",
        refuses_dumps=True,
        applies=with_like_feeds,
        facts="""
            select
                count(*) as evaluated,
                (array_agg(place order by fall desc, place))[1] as worst,
                (array_agg(share_before order by fall desc, place))[1] as share_before,
                (array_agg(share_now order by fall desc, place))[1] as share_now
            from measure_coverage
        """,
        unexpected="""
            select
                broker, exchange, round(100 * share_before, 1) || ' %' as matched_last_time,
                round(100 * share_now, 1) || ' %' as matched_now
            from measure_coverage
            where fall > {feed_coverage_max_fall}
            order by fall desc, broker, exchange
        """,
        observed="fell most at {worst}: {share_now:.1%} matched, {share_before:.1%} last time; "
        "exchanges compared: {evaluated:,}",
        limit="at most {feed_coverage_max_fall:.0%} of an exchange's live rows less than last time",
        explanation="Rows that are known elsewhere keep being so: a part that is suddenly unknown "
        "is read wrongly, or of another day.",
        action="Look at the reasons in broker_coverage, and at the day of the broker's dump.",
    ),
)
