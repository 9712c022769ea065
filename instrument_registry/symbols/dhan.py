"""Dhan: parts between hyphens; without the day at NFO, BFO and CDS, with it elsewhere.

    NFO, BFO, CDS   NIFTY-Feb2026-25000-CE    NIFTY-Feb2026-FUT
    BCD, MCX, NCO   GOLD-27Feb2026-139600-CE  USDINR-28Aug2024-FUT

The first form also names weekly contracts: in February 2026 `NIFTY-Feb2026-25000-CE` was three of
them at once. The row's expiry, or the token, tells them apart; the symbol cannot.

Source: `SEM_TRADING_SYMBOL` of api-scrip-master.csv, https://dhanhq.co/docs/v2/instruments/.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from instrument_registry.symbols import dated
from instrument_registry.symbols.contracts import (
    Derivative,
    ExpiryMonth,
    Future,
    OptionType,
    Reading,
    Undated,
)
from instrument_registry.symbols.grammar import DerivativeForm, Grammar
from instrument_registry.symbols.listing import ListedExpiries
from instrument_registry.symbols.notation import (
    MONTH_NUMBER,
    MONTHS,
    STRIKE,
    UNDERLYING,
    day,
    strike_text,
)
from instrument_registry.symbols.shares import PLAIN

_NUMBER: Final = {name.title(): number for name, number in MONTH_NUMBER.items()}
_REST: Final = rf"({'|'.join(_NUMBER)})(20[0-9]{{2}})-(?:FUT|({STRIKE})-(CE|PE))"
_MONTH_ONLY: Final = re.compile(rf"({UNDERLYING})-{_REST}")
_WITH_DAY: Final = re.compile(rf"({UNDERLYING})-([0-9]{{2}}){_REST}")


def _read_month_only(symbol: str, exchange: str) -> tuple[Reading, ...]:
    match = _MONTH_ONLY.fullmatch(symbol)
    if match is None:
        return ()
    name, month, year, price, option_type = match.groups()
    when = ExpiryMonth(int(year), _NUMBER[month], is_monthly=False)
    if price is None:
        return (Undated(exchange, name, when),)
    return (Undated(exchange, name, when, Decimal(price), OptionType(option_type)),)


def _read_with_day(symbol: str, exchange: str) -> tuple[Reading, ...]:
    match = _WITH_DAY.fullmatch(symbol)
    if match is None:
        return ()
    name, day_text, month, year, price, option_type = match.groups()
    expiry = day(int(year), _NUMBER[month], int(day_text))
    return dated.contract(exchange, name, expiry, price, option_type)


def _write(contract: Derivative, *, day_text: str) -> str:
    expiry = contract.expiry
    month = MONTHS[expiry.month - 1].title()
    head = f"{contract.underlying}-{day_text}{month}{expiry.year}"
    if isinstance(contract, Future):
        return f"{head}-FUT"
    return f"{head}-{strike_text(contract.strike)}-{contract.option_type}"


def _write_month_only(contract: Derivative, _: ListedExpiries | None) -> str:
    return _write(contract, day_text="")


def _write_with_day(contract: Derivative, _: ListedExpiries | None) -> str:
    return _write(contract, day_text=f"{contract.expiry.day:02d}")


MONTH_ONLY: Final = DerivativeForm(
    "UNDERLYING-MmmYYYY-FUT or -STRIKE-CE|PE (`NIFTY-Feb2026-25000-CE`)",
    _read_month_only,
    _write_month_only,
)
WITH_DAY: Final = DerivativeForm(
    "UNDERLYING-DDMmmYYYY-FUT or -STRIKE-CE|PE (`GOLD-27Feb2026-139600-CE`)",
    _read_with_day,
    _write_with_day,
)
GRAMMAR: Final = Grammar(
    broker="dhan",
    derivatives=dict.fromkeys(("NFO", "BFO", "CDS"), MONTH_ONLY)
    | dict.fromkeys(("BCD", "MCX", "NCO"), WITH_DAY),
    shares={"NSE": PLAIN, "BSE": PLAIN},
)
