"""Are lots, ticks, strikes and terms what an exchange could have listed?"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from expectations.rules.rule import Rule, after_decimal_strikes, on_options

_STRIKE_DIFFERS: Final = r"""(
    trim_scale(instruments.strike)::text is distinct from landed.strike
    and trim_scale(instruments.strike)::text || '.0' is distinct from landed.strike
    and case
        when landed.strike ~ '^\s*[+]?[0-9]+([.][0-9]*)?\s*$'
            then landed.strike::numeric is distinct from instruments.strike
        else true
    end
)"""


def _positive(rule_id: str, thing: str, column: str, measure: str, explanation: str) -> Rule:
    """A rule: a number that only an index may lack."""
    return Rule(
        id=rule_id,
        title=f"Every {thing} is positive, except of indices",
        severity="error",
        suite="values",
        parameters={"column": sql.Identifier(column), "measure": sql.Identifier(measure)},
        facts="""
            select
                coalesce(sum(rows), 0)::bigint as evaluated,
                coalesce(
                    sum({measure}) filter (where segment not in ('INDICES', 'NSE-INDICES')), 0
                )::bigint as wrong
            from measure_contracts
            where edition = 'candidate'
        """,
        unexpected="""
            select instrument_token, tradingsymbol, exchange, segment, {column}
            from {candidate}.broker_instruments
            where
                broker = 'kite'
                and (select wrong from facts) > 0
                and coalesce({column}, 0) <= 0
                and segment not in ('INDICES', 'NSE-INDICES')
            order by instrument_token
        """,
        observed="rows without one: {wrong:,} of {evaluated:,}",
        limit="none",
        explanation=explanation,
        action="Compare the rows below with the exchange's list; wait for a corrected dump.",
    )


RULES: Final[tuple[Rule, ...]] = (
    _positive(
        "lots-positive",
        "lot size",
        "lot_size",
        "rows_without_lot",
        "Order quantities are multiples of the lot: a lot of 0 gives orders of 0, or a division "
        "by zero in the risk checks.",
    ),
    _positive(
        "ticks-positive",
        "tick size",
        "tick_size_inr",
        "rows_without_tick",
        "Prices are rounded to the tick: without one every limit order is refused.",
    ),
    Rule(
        id="contract-terms-complete",
        title="Every option has a strike, and every derivative an expiry",
        severity="error",
        suite="values",
        facts="""
            select
                coalesce(sum(rows), 0)::bigint as evaluated,
                coalesce(sum(rows_without_terms), 0)::bigint as wrong
            from measure_contracts
            where edition = 'candidate'
        """,
        unexpected="""
            select
                instrument_token, tradingsymbol, exchange, segment, instrument_type, expiry_date,
                strike
            from {candidate}.broker_instruments
            where
                broker = 'kite'
                and (select wrong from facts) > 0
                and (
                    (instrument_type in ('CE', 'PE') and coalesce(strike, 0) <= 0)
                    or (instrument_type in ('CE', 'PE', 'FUT') and expiry_date is null)
                )
            order by instrument_token
        """,
        observed="rows without their terms: {wrong:,} of {evaluated:,}",
        limit="none",
        explanation="A contract without strike or expiry cannot be identified, priced or matched.",
        action="Compare the rows below with the exchange's list; wait for a corrected dump.",
    ),
    Rule(
        id="strikes-exact",
        title="Every strike is exactly the number in the dump",
        severity="error",
        suite="values",
        applies=on_options,
        # Text that is the same number in one of the two usual spellings is settled by comparing
        # text; only the rest is cast, guarded, because a rejected row may hold anything.
        parameters={"differs": sql.SQL(_STRIKE_DIFFERS)},
        facts="""
            select
                count(*) as evaluated,
                count(*) filter (where {differs}) as wrong,
                (
                    select coalesce(sum(rows_decimal_strike), 0)::bigint
                    from measure_contracts
                    where edition = 'candidate'
                ) as decimals
            from {staging}.kite_instruments as landed
            -- one to one: repeated tokens are left out below
            inner join {candidate}.broker_instruments as instruments
                on landed.instrument_token = instruments.instrument_token::text
            where landed.instrument_type in ('CE', 'PE')
        """,
        unexpected="""
            select
                instruments.instrument_token, instruments.tradingsymbol, instruments.exchange,
                landed.strike as strike_in_dump, instruments.strike as strike_in_candidate,
                landed._line_number as line
            from {staging}.kite_instruments as landed
            -- one to one: repeated tokens are left out
            inner join {candidate}.broker_instruments as instruments
                on landed.instrument_token = instruments.instrument_token::text
            where
                (select wrong from facts) > 0
                and landed.instrument_type in ('CE', 'PE')
                and {differs}
                and landed.instrument_token not in (
                    select instrument_token from measure_repeats where repeats = 'token'
                )
            order by instruments.instrument_token
        """,
        observed="{evaluated:,} option strikes compared, {decimals:,} of them decimal",
        limit="no difference",
        explanation="A rounded strike is another contract: 390.75 and 391 may both exist.",
        action="A defect of the models, not of the broker: do not accept; report it.",
    ),
    Rule(
        id="decimal-strikes-kept",
        title="Decimal strikes have not disappeared",
        severity="error",
        suite="values",
        applies=after_decimal_strikes,
        facts="""
            select
                (
                    select count(*)
                    from (
                        select exchange
                        from measure_contracts
                        where edition = 'published' and is_live
                        group by exchange
                        having sum(rows_decimal_strike) >= greatest({rows_compared_min}, 1)
                    ) as compared
                ) as evaluated,
                coalesce(
                    sum(rows_decimal_strike) filter (where edition = 'candidate'), 0
                )::bigint as decimals,
                coalesce(
                    sum(rows_decimal_strike) filter (where edition = 'published' and is_live), 0
                )::bigint as decimals_before
            from measure_contracts
        """,
        unexpected="""
            select
                exchange,
                sum(rows_decimal_strike) filter (where edition = 'candidate') as decimal_strikes,
                sum(rows_decimal_strike) filter (where edition = 'published' and is_live)
                    as decimal_strikes_last_time
            from measure_contracts
            group by exchange
            having
                sum(rows_decimal_strike) filter (where edition = 'published' and is_live)
                >= greatest({rows_compared_min}, 1)
                and coalesce(
                    sum(rows_decimal_strike) filter (where edition = 'candidate'), 0
                ) = 0
                and sum(rows) filter (where edition = 'candidate') > 0
            order by exchange
        """,
        observed="{decimals:,} decimal strikes, {decimals_before:,} live ones last time; "
        "exchanges compared: {evaluated}",
        limit="none of the exchanges with {rows_compared_min} or more last time has 0",
        explanation="Somewhere strikes were rounded to whole rupees, in the dump or before it: "
        "the contracts are not what they say.",
        action="Look at the strikes in the archived dump; a file saved by a spreadsheet does this.",
    ),
)
