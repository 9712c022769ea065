"""The form with the year first: `NIFTY26AUG24800CE` (monthly), `NIFTY2681824800CE` (weekly).

Kite's, and Upstox's in its CSV; Angel One's outside NFO and MCX.

    option   UNDERLYING YY MMM STRIKE CE|PE      monthly: no day in it
             UNDERLYING YY M DD STRIKE CE|PE     weekly, M one of 1..9 O N D
    future   UNDERLYING YY MMM FUT  or  UNDERLYING YY M DD FUT

Two things are open in it. The monthly form has no day: that takes the listed expiries. And a
weekly option's digits can be split in several ways, for an underlying may end in digits
(NIFTYNXT50, SENSEX50) and any number is a strike: `NIFTY2690326450CE` is NIFTY on 2026-09-03 at
26450, but, for all that the text says, it could be NIFTY26 on 2090-03-26 at 450. Every split is
returned.
A month's name before the strike is always the month: no underlying ends in `26AUG`.

Source: rows of the brokers' dumps; Kite says in https://kite.trade/docs/connect/v3/market-quotes/
only that symbols are to be taken from the dump.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from instrument_registry.errors import ExpiryUnresolved
from instrument_registry.symbols.contracts import (
    Derivative,
    ExpiryMonth,
    Future,
    Option,
    OptionType,
    Reading,
    Undated,
)
from instrument_registry.symbols.grammar import DerivativeForm
from instrument_registry.symbols.listing import ListedExpiries
from instrument_registry.symbols.notation import (
    FIRST_YEAR,
    LETTER_NUMBER,
    MONTH,
    MONTH_LETTERS,
    MONTH_NUMBER,
    MONTHS,
    STRIKE,
    STRIKE_BARE_FRACTION,
    UNDERLYING,
    day,
    strike_text,
)

_UNDERLYING: Final = re.compile(UNDERLYING)
# Always five characters of expiry before FUT, so that there is one split only.
_FUTURE: Final = re.compile(
    rf"({UNDERLYING})([0-9]{{2}})(?:({MONTH})|([{MONTH_LETTERS}])([0-9]{{2}}))FUT"
)
_TWO_LETTERS: Final = 2


def form(*, bare_fraction: bool = False) -> DerivativeForm:
    """The form; `bare_fraction` where strikes below one lose their zero (`.965`)."""
    strike = STRIKE_BARE_FRACTION if bare_fraction else STRIKE
    monthly = re.compile(rf"({UNDERLYING})([0-9]{{2}})({MONTH})({strike})(CE|PE)")
    # Looked for at every position: each match is one way to split the digits.
    weekly = re.compile(rf"(?=([0-9]{{2}})([{MONTH_LETTERS}])([0-9]{{2}})({strike})\Z)")

    def read(symbol: str, exchange: str) -> tuple[Reading, ...]:
        if symbol.endswith("FUT"):
            return _read_future(symbol, exchange)
        if match := monthly.fullmatch(symbol):
            name, year, month, price, option_type = match.groups()
            return (
                Undated(
                    exchange, name, _month(year, month), Decimal(price), OptionType(option_type)
                ),
            )
        if symbol.endswith(("CE", "PE")):
            return _read_weekly(symbol, exchange, weekly)
        return ()

    def write(contract: Derivative, listed: ListedExpiries | None) -> str:
        head = contract.underlying + _expiry_text(contract, listed)
        if isinstance(contract, Future):
            return f"{head}FUT"
        price = strike_text(contract.strike)
        if bare_fraction:
            price = price.removeprefix("0")
        return f"{head}{price}{contract.option_type}"

    return DerivativeForm(
        "UNDERLYING YY MMM or YY M DD, then FUT or STRIKE CE|PE "
        "(`NIFTY26AUG24800CE`, `NIFTY2681824800CE`, `NIFTY26AUGFUT`)",
        read,
        write,
    )


def _month(year: str, month: str) -> ExpiryMonth:
    return ExpiryMonth(FIRST_YEAR + int(year), MONTH_NUMBER[month], is_monthly=True)


def _read_future(symbol: str, exchange: str) -> tuple[Reading, ...]:
    match = _FUTURE.fullmatch(symbol)
    if match is None:
        return ()
    name, year, month, letter, day_text = match.groups()
    if month:
        return (Undated(exchange, name, _month(year, month)),)
    expiry = day(FIRST_YEAR + int(year), LETTER_NUMBER[letter], int(day_text))
    return () if expiry is None else (Future(exchange, name, expiry),)


def _read_weekly(symbol: str, exchange: str, weekly: re.Pattern[str]) -> tuple[Reading, ...]:
    body, option_type = symbol[:-_TWO_LETTERS], OptionType(symbol[-_TWO_LETTERS:])
    readings = []
    for match in weekly.finditer(body):
        year, letter, day_text, price = match.groups()
        expiry = day(FIRST_YEAR + int(year), LETTER_NUMBER[letter], int(day_text))
        name = body[: match.start()]
        if expiry is not None and _UNDERLYING.fullmatch(name):
            readings.append(Option(exchange, name, expiry, Decimal(price), option_type))
    return tuple(readings)


def _expiry_text(contract: Derivative, listed: ListedExpiries | None) -> str:
    expiry = contract.expiry
    year = f"{expiry.year % 100:02d}"
    if _is_monthly(contract, listed):
        return year + MONTHS[expiry.month - 1]
    return f"{year}{MONTH_LETTERS[expiry.month - 1]}{expiry.day:02d}"


def _is_monthly(contract: Derivative, listed: ListedExpiries | None) -> bool:
    expiry = contract.expiry
    where = (contract.exchange, contract.underlying, contract.kind)
    seen = f"{contract} is to be spelled"
    if listed is None or not listed.holds(*where, expiry):
        raise ExpiryUnresolved(
            contract,
            seen=seen + (" without listed expiries" if listed is None else ""),
            expected=f"listed expiries that hold {expiry} for {' '.join(where)}",
            next_step="Whether its month is spelled by name or by number hangs on whether the "
            "expiry is the month's monthly one; give listed=ListedExpiries.of(...)",
        )
    monthly = listed.monthly(*where, expiry.year, expiry.month)
    if expiry in monthly and len(monthly) > 1:
        raise ExpiryUnresolved(
            contract,
            seen=seen,
            expected=f"one monthly expiry, not any of {', '.join(map(str, monthly))}",
            next_step="Say which it is: ListedExpiry(..., is_monthly=True)",
        )
    return expiry in monthly
