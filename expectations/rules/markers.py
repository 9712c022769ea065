"""Are the instruments there that every dump holds, under the numbers that programs know?"""

from __future__ import annotations

from typing import Final

from expectations.rules.rule import Rule, on_exchange


def _index(rule_id: str, title: str, exchange: str, symbol: str, token: int) -> Rule:
    """A rule: an index is there under the token that programs have written down."""
    return Rule(
        id=rule_id,
        title=title,
        severity="error",
        suite="completeness",
        applies=on_exchange(exchange),
        parameters={"exchange": exchange, "symbol": symbol, "token": token},
        facts="""
            select
                count(*) as evaluated,
                max(tradingsymbol) filter (where instrument_token = {token}) as found,
                max(instrument_token) filter (
                    where exchange = {exchange} and tradingsymbol = {symbol}
                ) as token_of_symbol
            from {candidate}.broker_instruments
            where broker = 'kite'
        """,
        unexpected="""
            select
                {token} as expected_token, {exchange} || ':' || {symbol} as expected_symbol,
                facts.found as symbol_of_token, facts.token_of_symbol
            from facts
            where not exists (
                select 1
                from {candidate}.broker_instruments
                where
                    broker = 'kite'
                    and instrument_token = {token}
                    and exchange = {exchange}
                    and tradingsymbol = {symbol}
            )
        """,
        observed=f"token {token} is " + "{found}",
        limit=f"{exchange}:{symbol} = {token}",
        explanation="Programs stream this index by its number. Without it they have no spot "
        "price, or that of something else.",
        action="Do not accept unless Kite announced a new token; then change every consumer first.",
    )


def _future(rule_id: str, exchange: str, name: str) -> Rule:
    """A rule: an underlying has a future that has not expired."""
    return Rule(
        id=rule_id,
        title=f"{name} has a live future in {exchange}",
        severity="error",
        suite="completeness",
        applies=on_exchange(exchange),
        parameters={"exchange": exchange, "name": name},
        facts="""
            select
                (
                    select sum(rows_in_dump) from measure_exchanges where broker = 'kite'
                )::bigint as evaluated,
                count(*) filter (where is_live) as live,
                min(expiry_date) filter (where is_live) as nearest,
                max(expiry_date) as last_expiry
            from measure_contracts
            where
                edition = 'candidate'
                and exchange = {exchange}
                and segment = {exchange} || '-FUT'
                and instrument_type = 'FUT'
                and underlying = {name}
        """,
        unexpected="""
            select {exchange} || ':' || {name} as future, last_expiry, {as_of} as as_of_date
            from facts
            where live = 0
        """,
        observed="live futures: {live}, nearest expiry: {nearest}",
        limit="at least 1",
        explanation=f"The dump lacks the {name} future, which never happens on a trading day: "
        "it is cut short, stale or of another kind.",
        action="Fetch the dump again a few minutes later.",
    )


RULES: Final[tuple[Rule, ...]] = (
    _index("marker-nifty-50", "NIFTY 50 has its token", "NSE", "NIFTY 50", 256265),
    _index("marker-nifty-bank", "NIFTY BANK has its token", "NSE", "NIFTY BANK", 260105),
    _index("marker-sensex", "SENSEX has its token", "BSE", "SENSEX", 265),
    Rule(
        id="marker-reliance",
        title="NSE:RELIANCE has its exchange token",
        severity="error",
        suite="completeness",
        applies=on_exchange("NSE"),
        facts="""
            select
                count(*) as evaluated,
                max(exchange_token) filter (
                    where segment = 'NSE' and tradingsymbol = 'RELIANCE'
                ) as found
            from {candidate}.broker_instruments
            where broker = 'kite'
        """,
        unexpected="""
            select 'NSE:RELIANCE' as symbol, 2885 as expected_exchange_token, found
            from facts
            where found is distinct from 2885
        """,
        observed="NSE:RELIANCE has exchange token {found}",
        limit="2885",
        explanation="The best known share of the market is missing or renumbered: tokens of the "
        "dump cannot be trusted.",
        action="Compare with the exchange's own list; do not accept without that.",
    ),
    _future("marker-nifty-future", "NFO", "NIFTY"),
    _future("marker-banknifty-future", "NFO", "BANKNIFTY"),
    _future("marker-sensex-future", "BFO", "SENSEX"),
)
