"""Did an implausible part of the market change overnight?"""

from __future__ import annotations

from typing import Final

from expectations.audit import Severity
from expectations.rules.rule import Limit, Rule, after_live_rows, after_subscriptions

_CHANGES = """
    select
        -- What left cannot have changed its terms: only what stayed was compared for those.
        (select sum(rows_before) from measure_segments)::bigint
        - case
            when {change} in ('listed', 'delisted') then 0
            else coalesce((select rows from measure_changes where change = 'delisted'), 0)
        end as evaluated,
        coalesce((select rows from measure_changes where change = {change}), 0) as changed,
        coalesce((select rows from measure_changes where change = {change}), 0)
            / nullif((select sum(rows_before) from measure_segments), 0) as ratio
"""
_CHANGED_ROWS = """
    select change, canonical_id, tradingsymbol, exchange, old_value, new_value
    from {candidate}.instrument_changes
    where change = {change} and (select ratio from facts) > {at_most}
    order by canonical_id
"""


def _churn(
    change: str, title: str, limit: str, explanation: str, severity: Severity = "error"
) -> Rule:
    """A rule: one kind of change touches a plausible part of the last publication."""
    return Rule(
        id=f"churn-{change.removesuffix('_changed')}",
        title=title,
        severity=severity,
        suite="change",
        applies=after_live_rows,
        parameters={"change": change, "at_most": Limit(limit)},
        facts=_CHANGES,
        unexpected=_CHANGED_ROWS,
        observed="{changed:,}, which is {ratio:.2%} of the last publication's live contracts",
        limit="at most {" + limit + ":.0%}",
        explanation=explanation,
        action="Look at the samples: one underlying is a corporate action, all of them a bad "
        "dump. Accept only if the exchange announced it.",
    )


RULES: Final[tuple[Rule, ...]] = (
    _churn(
        "listed",
        "A plausible number of contracts is new",
        "churn_listed_max_ratio",
        "Far more new contracts than a new expiry brings: the dump, or the last publication, is "
        "not what it should be.",
        "warning",
    ),
    _churn(
        "delisted",
        "Few contracts left before their expiry",
        "churn_max_ratio",
        "So many live contracts do not leave in a night: the dump is cut short.",
    ),
    _churn(
        "symbol_changed",
        "Few symbols changed",
        "churn_identity_max_ratio",
        "Orders and lookups by symbol would meet other contracts than yesterday.",
    ),
    _churn(
        "token_changed",
        "Few tokens changed",
        "churn_identity_max_ratio",
        "Running programs stream by yesterday's tokens: they would receive other contracts' "
        "prices until restarted.",
    ),
    _churn(
        "strike_changed",
        "Few strikes changed",
        "churn_identity_max_ratio",
        "Strikes change by corporate action only, a few underlyings at a time.",
    ),
    _churn(
        "lot_changed",
        "Lot sizes changed for a plausible part only",
        "churn_max_ratio",
        "Order quantities would be wrong wherever the lot is.",
    ),
    _churn(
        "tick_changed",
        "Tick sizes changed for a plausible part only",
        "churn_max_ratio",
        "Limit prices would be refused wherever the tick is wrong.",
    ),
    _churn(
        "expiry_changed",
        "Expiries moved for a plausible part only",
        "churn_max_ratio",
        "Expiries move for holidays and rule changes, which exchanges announce.",
    ),
    Rule(
        id="subscriptions-unchanged",
        title="No subscribed contract changed its symbol, token, terms or was delisted",
        severity="warning",
        suite="change",
        applies=after_subscriptions,
        facts="""
            select
                (
                    select count(*)
                    from (
                        select instrument_token from {candidate}.active_subscriptions
                        union
                        select instrument_token from {published_subscriptions}
                    ) as subscribed
                ) as evaluated,
                coalesce(sum(rows_active), 0)::bigint as touched
            from measure_changes
            where change not in ('listed', 'expired')
        """,
        unexpected="""
            select
                change, instrument_token, tradingsymbol, exchange, old_value, new_value
            from {candidate}.instrument_changes
            where is_active and change not in ('listed', 'expired')
            order by change, tradingsymbol, instrument_token
        """,
        observed="changes of subscribed contracts: {touched:,}, of {evaluated:,} contracts",
        limit="none",
        explanation="Programs that stream these since yesterday hold outdated facts about them.",
        action="Restart ingestion and whatever caches lots, ticks or tokens after publishing.",
    ),
)
