"""Is it today's dump, with the expiries that a trading day needs?"""

from __future__ import annotations

from typing import Final

from expectations.rules.rule import Rule, after_focus_contracts, on_contracts, on_exchange

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="dump-not-stale",
        title="Most contracts have not expired before the as-of day",
        severity="error",
        suite="calendar",
        applies=on_contracts,
        facts="""
            select
                coalesce(sum(rows), 0)::bigint as evaluated,
                coalesce(sum(rows) filter (where not is_live), 0)::bigint as expired,
                sum(rows) filter (where not is_live) / nullif(sum(rows), 0) as ratio,
                max(expiry_date) filter (where not is_live) as newest_expired
            from measure_contracts
            where edition = 'candidate' and expiry_date is not null
        """,
        unexpected="""
            select
                exchange, segment, expiry_date, {as_of} as as_of_date, sum(rows)::bigint as rows
            from measure_contracts
            where
                edition = 'candidate'
                and not is_live
                and (select ratio from facts) > {expired_max_ratio}
            group by exchange, segment, expiry_date
            order by rows desc, exchange, segment, expiry_date
        """,
        observed="expired before the as-of day: {expired:,} of {evaluated:,} contracts",
        limit="at most {expired_max_ratio:.0%}",
        explanation="This is the dump of another day: new contracts are missing, old tokens may "
        "be reused for others by now.",
        action="Check the as-of date given to the run; otherwise fetch a fresh dump.",
    ),
    Rule(
        id="expired-contracts-none",
        title="No contract expired before the as-of day",
        severity="warning",
        suite="calendar",
        applies=on_contracts,
        facts="""
            select
                coalesce(sum(rows), 0)::bigint as evaluated,
                coalesce(sum(rows) filter (where not is_live), 0)::bigint as expired,
                min(expiry_date) as oldest
            from measure_contracts
            where edition = 'candidate' and expiry_date is not null
        """,
        unexpected="""
            select exchange, segment, expiry_date, sum(rows)::bigint as rows
            from measure_contracts
            where edition = 'candidate' and not is_live
            group by exchange, segment, expiry_date
            order by rows desc, exchange, segment, expiry_date
        """,
        observed="{expired:,} of {evaluated:,} contracts; the oldest expiry is {oldest}",
        limit="none",
        explanation="Expired contracts are published as they came; nothing trades on them.",
        action="Usually nothing: a dump made before the night's clean-up holds a few.",
    ),
    Rule(
        id="nifty-expiry-near",
        title="NIFTY options have an expiry within days",
        severity="error",
        suite="calendar",
        applies=on_exchange("NFO"),
        facts="""
            select
                (
                    select sum(rows_in_dump) from measure_exchanges where broker = 'kite'
                )::bigint as evaluated,
                min(expiry_date) filter (where is_live) as nearest,
                min(expiry_date) filter (where is_live) - {as_of}::date as days
            from measure_contracts
            where
                edition = 'candidate'
                and exchange = 'NFO'
                and segment = 'NFO-OPT'
                and underlying = 'NIFTY'
        """,
        unexpected="""
            select 'NFO:NIFTY' as options, nearest as nearest_expiry, {as_of} as as_of_date, days
            from facts
            where days is null or days > {nifty_expiry_days}
        """,
        observed="nearest expiry: {nearest}; days from the as-of day: {days}",
        limit="within {nifty_expiry_days} days",
        explanation="NIFTY options expire every week. Without a near expiry the dump is of "
        "another day, or the weekly contracts are missing.",
        action="Check the as-of date given to the run; otherwise fetch a fresh dump.",
    ),
    Rule(
        id="focus-expiries-ahead",
        title="Each focus underlying has option expiries to come",
        severity="error",
        suite="calendar",
        applies=on_exchange("NFO", "BFO"),
        facts="""
            select
                (
                    select count(*)
                    from {candidate}.focus_underlyings
                    where exchange = any({asked_exchanges}::text[])
                ) as evaluated,
                (
                    select count(distinct (exchange, underlying, expiry_date))
                    from measure_contracts
                    where
                        edition = 'candidate'
                        and is_live
                        and is_focus
                        and instrument_type in ('CE', 'PE')
                ) as expiries
        """,
        unexpected="""
            select
                focus.exchange, focus.underlying,
                count(distinct contracts.expiry_date) as live_expiries,
                max(contracts.expiry_date) as newest_expiry
            from {candidate}.focus_underlyings as focus
            -- one to many
            left join measure_contracts as contracts
                on contracts.edition = 'candidate'
                and contracts.is_live
                and contracts.instrument_type in ('CE', 'PE')
                and contracts.exchange = focus.exchange
                and contracts.underlying = focus.underlying
            where focus.exchange = any({asked_exchanges}::text[])
            group by focus.exchange, focus.underlying
            having count(distinct contracts.expiry_date) < {focus_expiries_min}
            order by focus.exchange, focus.underlying
        """,
        observed="{evaluated} underlyings with {expiries} live option expiries in all",
        limit="at least {focus_expiries_min} each",
        explanation="The focus set takes the nearest two expiries: strategies would run on half "
        "of it or on nothing.",
        action="Fetch a fresh dump; look whether an expiry is missing from it.",
    ),
    Rule(
        id="focus-expiries-kept",
        title="No expiry of a focus underlying was lost since the last publication",
        severity="error",
        suite="calendar",
        applies=after_focus_contracts,
        facts="""
            select
                count(distinct (exchange, underlying, expiry_date)) as evaluated,
                max(expiry_date) as newest
            from measure_contracts
            where
                edition = 'published'
                and is_live
                and is_focus
                and expiry_date is not null
        """,
        unexpected="""
            select
                before.exchange, before.underlying,
                before.expiry_date as lost_expiry, sum(before.rows)::bigint as rows_last_time
            from measure_contracts as before
            where
                before.edition = 'published'
                and before.is_live
                and before.expiry_date is not null
                and before.is_focus
                and not exists (
                    select 1
                    from measure_contracts as today
                    where
                        today.edition = 'candidate'
                        and today.exchange = before.exchange
                        and today.underlying = before.underlying
                        and abs(today.expiry_date - before.expiry_date) <= {expiry_moved_days}
                )
            group by before.exchange, before.underlying, before.expiry_date
            order by before.expiry_date, before.exchange, before.underlying
        """,
        observed="{evaluated} live expiries last time, the newest {newest}",
        limit="each is still there, or moved by at most {expiry_moved_days} days",
        explanation="A whole expiry is missing: positions in it could not be priced or closed.",
        action="Fetch a fresh dump; accept only if the exchange withdrew the expiry.",
    ),
)
