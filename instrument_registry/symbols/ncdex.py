"""Angel One's form for NCDEX: the type before the strike, and the underlying future's month.

    option   UNDERLYING DD MMM YY CE|PE STRIKE F MMM YY   DHANIYA11DEC25CE9200FDEC25
    future   UNDERLYING DD MMM YYYY                       DHANIYA19DEC2025

An option there is on a future. The text alone determines the contract: the day, the strike and the
type are in it, and no two options differ in the future's month alone. To be written it takes the
listed futures: it is the month of the first one that ends on the option's last day or after it, in
every one of the 1,056 options of the dump of 2025-10-28. That is the option's own month or the
next; a text that says another one is refused.

Source: rows of OpenAPIScripMaster.json, `exch_seg` NCDEX.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from instrument_registry.errors import ExpiryUnresolved
from instrument_registry.symbols import dated
from instrument_registry.symbols.contracts import Derivative, Future, Kind, Option, Reading
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

_MONTHS_OF_YEAR: Final = 12
_OPTION: Final = re.compile(
    rf"({UNDERLYING})([0-9]{{2}})({MONTH})([0-9]{{2}})(CE|PE)({STRIKE})F({MONTH})([0-9]{{2}})"
)
_FUTURE: Final = re.compile(rf"({UNDERLYING})([0-9]{{2}})({MONTH})(20[0-9]{{2}})")


def _read(symbol: str, exchange: str) -> tuple[Reading, ...]:
    if match := _FUTURE.fullmatch(symbol):
        name, day_text, month, year = match.groups()
        expiry = day(int(year), MONTH_NUMBER[month], int(day_text))
        return dated.contract(exchange, name, expiry, None, None)
    match = _OPTION.fullmatch(symbol)
    if match is None:
        return ()
    name, day_text, month, year, option_type, price, its_month, its_year = match.groups()
    expiry = day(FIRST_YEAR + int(year), MONTH_NUMBER[month], int(day_text))
    its = (FIRST_YEAR + int(its_year), MONTH_NUMBER[its_month])
    if expiry is None or its not in _months_from(expiry)[:2]:
        return ()
    return dated.contract(exchange, name, expiry, price, option_type)


def _write(contract: Derivative, listed: ListedExpiries | None) -> str:
    expiry = contract.expiry
    head = f"{contract.underlying}{expiry.day:02d}{MONTHS[expiry.month - 1]}"
    if isinstance(contract, Future):
        return f"{head}{expiry.year:04d}"
    year, month = _of_its_future(contract, listed)
    return (
        f"{head}{expiry.year % 100:02d}{contract.option_type}{strike_text(contract.strike)}"
        f"F{MONTHS[month - 1]}{year % 100:02d}"
    )


def _of_its_future(option: Option, listed: ListedExpiries | None) -> tuple[int, int]:
    """Year and month of the future that the option is on."""
    if listed is not None:
        for month in _months_from(option.expiry):
            days = listed.in_month(option.exchange, option.underlying, Kind.FUTURE, *month)
            if any(ends >= option.expiry for ends in days):
                return month
    raise ExpiryUnresolved(
        option,
        seen=f"{option} is to be spelled" + (" without listed expiries" if listed is None else ""),
        expected=f"listed futures of {option.underlying} from {option.expiry} on",
        next_step="The month of the underlying future is part of the symbol; give "
        "listed=ListedExpiries.of(...) with the futures",
    )


def _months_from(start: date) -> list[tuple[int, int]]:
    first = start.year * _MONTHS_OF_YEAR + start.month - 1
    months = (divmod(first + step, _MONTHS_OF_YEAR) for step in range(_MONTHS_OF_YEAR))
    return [(year, month + 1) for year, month in months]


FORM: Final = DerivativeForm(
    "UNDERLYING DDMMMYY, CE|PE, STRIKE, F and the future's MMMYY, or UNDERLYING DDMMMYYYY "
    "(`DHANIYA11DEC25CE9200FDEC25`, `DHANIYA19DEC2025`)",
    _read,
    _write,
)
