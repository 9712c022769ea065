"""Canonical ids: what a contract is called here, whoever the broker, spelled from its terms.

    INDEX:NIFTY 50
    NSE:RELIANCE              NSE:SYSTANGO-SM for any series but EQ
    NFO:NIFTY:2026-11-24:FUT
    NFO:NIFTY:2026-11-24:26450:CE

dbt spells the same ids in `int_kite_instruments__identified.sql`.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Final

from instrument_registry.errors import CanonicalIdNotRead, ContractInvalid, NotSpellable, shown
from instrument_registry.symbols.contracts import (
    Contract,
    Derivative,
    Future,
    Index,
    Option,
    OptionType,
    Share,
)
from instrument_registry.symbols.notation import STRIKE, strike_text
from instrument_registry.symbols.shares import PLAIN, SERIES_UNLESS_EQ

EXPECTED: Final = (
    "INDEX:NAME, EXCHANGE:SYMBOL, EXCHANGE:UNDERLYING:YYYY-MM-DD:FUT or "
    "EXCHANGE:UNDERLYING:YYYY-MM-DD:STRIKE:CE|PE (`NFO:NIFTY:2026-11-24:26450:CE`)"
)
# The form is strict (no `26450.0`, no `2026-1-5`): one contract has one id, or no lookup holds.
_DERIVATIVE: Final = re.compile(
    rf"([A-Z]+):([^:]+):([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}):(?:FUT|({STRIKE}):(CE|PE))"
)


def canonical_id(contract: Contract) -> str:
    """The contract's canonical id.

    Raises:
        NotSpellable: an NSE share whose series is not known.

    Example:
        >>> canonical_id(Option("NFO", "NIFTY", date(2026, 11, 24), Decimal(26450), OptionType.CE))
        'NFO:NIFTY:2026-11-24:26450:CE'
        >>> canonical_id(Share("NSE", "RELIANCE", "EQ"))
        'NSE:RELIANCE'
    """
    if isinstance(contract, Index):
        return f"INDEX:{contract.symbol}"
    if isinstance(contract, Share):
        return f"{contract.exchange}:{_cash_symbol(contract)}"
    head = f"{contract.exchange}:{contract.underlying}:{contract.expiry.isoformat()}"
    if isinstance(contract, Future):
        return f"{head}:FUT"
    return f"{head}:{strike_text(contract.strike)}:{contract.option_type}"


def parse_canonical_id(text: str) -> Contract:
    """The contract of a canonical id.

    Raises:
        CanonicalIdNotRead: the text is none.

    Example:
        >>> parse_canonical_id("NFO:NIFTY:2026-11-24:FUT")
        Future(exchange='NFO', underlying='NIFTY', expiry=datetime.date(2026, 11, 24))
        >>> parse_canonical_id("INDEX:NIFTY 50")
        Index(symbol='NIFTY 50')
    """
    try:
        if match := _DERIVATIVE.fullmatch(text):
            return _derivative(*match.groups())
        exchange, colon, symbol = text.partition(":")
        contract = _plain(exchange, symbol) if colon else None
    except (ContractInvalid, ValueError) as error:  # ValueError: the 31st of June
        raise _refusal(text) from error
    if contract is None:
        raise _refusal(text)
    return contract


def _cash_symbol(share: Share) -> str:
    form = SERIES_UNLESS_EQ if share.exchange == "NSE" else PLAIN
    symbol = form.write(share)
    if symbol is None:
        raise NotSpellable(
            share,
            seen=f"{share} has no series",
            expected="the series of an NSE share, which is part of its canonical id",
            next_step="Take it from the broker's own column and say series=... when parsing",
        )
    return symbol


def _plain(exchange: str, symbol: str) -> Contract | None:
    if exchange == "INDEX":
        return Index(symbol)
    form = SERIES_UNLESS_EQ if exchange == "NSE" else PLAIN
    return form.read(symbol, exchange, None)


def _derivative(
    exchange: str, underlying: str, day: str, strike: str | None, option_type: str | None
) -> Derivative:
    expiry = date.fromisoformat(day)
    if strike is None or option_type is None:
        return Future(exchange, underlying, expiry)
    return Option(exchange, underlying, expiry, Decimal(strike), OptionType(option_type))


def _refusal(text: str) -> CanonicalIdNotRead:
    return CanonicalIdNotRead(text, seen=f"{shown(text)} is no canonical id", expected=EXPECTED)
