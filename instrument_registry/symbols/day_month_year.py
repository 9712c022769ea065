"""The form with the day first, which leaves nothing out: `NIFTY28MAR2420800CE`.

    option   UNDERLYING DD MMM YY STRIKE CE|PE
    future   UNDERLYING DD MMM YY FUT

OpenAlgo's for every exchange, and Angel One's for NFO and MCX. The month's name is the last run of
letters before the strike and has two digits on either side, so there is one split only.
"""

from __future__ import annotations

import re
from typing import Final

from instrument_registry.symbols import dated
from instrument_registry.symbols.contracts import Derivative, Future, Reading
from instrument_registry.symbols.grammar import DerivativeForm
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

_CONTRACT: Final = re.compile(
    rf"({UNDERLYING})([0-9]{{2}})({MONTH})([0-9]{{2}})(?:FUT|({STRIKE})(CE|PE))"
)


def _read(symbol: str, exchange: str) -> tuple[Reading, ...]:
    match = _CONTRACT.fullmatch(symbol)
    if match is None:
        return ()
    name, day_text, month, year, price, option_type = match.groups()
    expiry = day(FIRST_YEAR + int(year), MONTH_NUMBER[month], int(day_text))
    return dated.contract(exchange, name, expiry, price, option_type)


def _write(contract: Derivative, _: ListedExpiries | None) -> str:
    expiry = contract.expiry
    head = f"{contract.underlying}{expiry.day:02d}{MONTHS[expiry.month - 1]}{expiry.year % 100:02d}"
    if isinstance(contract, Future):
        return f"{head}FUT"
    return f"{head}{strike_text(contract.strike)}{contract.option_type}"


FORM: Final = DerivativeForm(
    "UNDERLYING DDMMMYY, then FUT or STRIKE CE|PE (`NIFTY28MAR2420800CE`, `NIFTY28MAR24FUT`)",
    _read,
    _write,
)
