"""Upstox: words in its JSON (`NIFTY 26450 CE 24 NOV 26`), the year first in its CSV.

    option   UNDERLYING STRIKE CE|PE DD MMM YY
    future   UNDERLYING FUT DD MMM YY

The JSON's form leaves nothing out. The CSV's is Kite's (see `year_month`). A symbol of the one
never reads as the other: one ends in the year, the other in FUT, CE or PE. So `upstox` reads both
and writes the JSON's; `upstox_csv` reads and writes the CSV's only.

Source: `trading_symbol` of complete.json.gz, https://upstox.com/developer/api-documentation/instruments.
"""

from __future__ import annotations

import re
from typing import Final

from instrument_registry.symbols import dated, year_month
from instrument_registry.symbols.contracts import (
    COMMON_EXCHANGES,
    Derivative,
    Future,
    Reading,
)
from instrument_registry.symbols.grammar import DerivativeForm, Grammar
from instrument_registry.symbols.listing import ListedExpiries
from instrument_registry.symbols.notation import (
    FIRST_YEAR,
    MONTH,
    MONTH_NUMBER,
    MONTHS,
    STRIKE,
    UNDERLYING,
    day,
    strike_text,
)
from instrument_registry.symbols.shares import PLAIN

_WORDS: Final = re.compile(
    rf"({UNDERLYING}) (?:FUT|({STRIKE}) (CE|PE)) ([0-9]{{2}}) ({MONTH}) ([0-9]{{2}})"
)
_CSV_FORM: Final = year_month.form()


def _read(symbol: str, exchange: str) -> tuple[Reading, ...]:
    match = _WORDS.fullmatch(symbol)
    if match is None:
        return _CSV_FORM.read(symbol, exchange)
    name, price, option_type, day_text, month, year = match.groups()
    expiry = day(FIRST_YEAR + int(year), MONTH_NUMBER[month], int(day_text))
    return dated.contract(exchange, name, expiry, price, option_type)


def _write(contract: Derivative, _: ListedExpiries | None) -> str:
    expiry = contract.expiry
    tail = f"{expiry.day:02d} {MONTHS[expiry.month - 1]} {expiry.year % 100:02d}"
    if isinstance(contract, Future):
        return f"{contract.underlying} FUT {tail}"
    strike = strike_text(contract.strike)
    return f"{contract.underlying} {strike} {contract.option_type} {tail}"


_SHARES: Final = {"NSE": PLAIN, "BSE": PLAIN, "NCO": PLAIN}
GRAMMAR: Final = Grammar(
    broker="upstox",
    derivatives=dict.fromkeys(
        COMMON_EXCHANGES,
        DerivativeForm(
            "UNDERLYING FUT DD MMM YY or UNDERLYING STRIKE CE|PE DD MMM YY "
            "(`NIFTY 26450 CE 24 NOV 26`), or the form of its CSV (`NIFTY26NOV26450CE`)",
            _read,
            _write,
        ),
    ),
    shares=_SHARES,
)
CSV_GRAMMAR: Final = Grammar(
    broker="upstox_csv",
    derivatives=dict.fromkeys(COMMON_EXCHANGES, _CSV_FORM),
    shares=_SHARES,
)
