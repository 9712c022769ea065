"""Brokers' symbols, read and written in one place.

    >>> from instrument_registry import symbols
    >>> contract = symbols.parse("NIFTY 26450 CE 24 NOV 26", "upstox", "NFO")
    >>> contract.underlying, contract.expiry, contract.strike
    ('NIFTY', datetime.date(2026, 11, 24), Decimal('26450'))
    >>> symbols.format(contract, "openalgo")
    'NIFTY24NOV2626450CE'
    >>> symbols.canonical_id(contract)
    'NFO:NIFTY:2026-11-24:26450:CE'

The broker is always given, never detected: the same text is another contract elsewhere.

    >>> print(symbols.parse("NIFTY26AUG24800CE", "openalgo", "NFO").expiry)
    2024-08-26
    >>> print(symbols.readings("NIFTY26AUG24800CE", "kite", "NFO")[0].month)
    monthly expiry of 2026-08

What a text leaves out is given as an argument (`listed`, `underlyings`, `series`) or refused with
an error of `instrument_registry.errors` that names the candidates. Each grammar: docs/symbols.md.
"""

from instrument_registry.symbols.brokers import BROKERS
from instrument_registry.symbols.canonical import canonical_id, parse_canonical_id
from instrument_registry.symbols.contracts import (
    Contract,
    Derivative,
    ExpiryMonth,
    Future,
    Index,
    Kind,
    Option,
    OptionType,
    Reading,
    Share,
    Undated,
)
from instrument_registry.symbols.front import format, parse, readings  # noqa: A004
from instrument_registry.symbols.listing import ListedExpiries, ListedExpiry

__all__ = [
    "BROKERS",
    "Contract",
    "Derivative",
    "ExpiryMonth",
    "Future",
    "Index",
    "Kind",
    "ListedExpiries",
    "ListedExpiry",
    "Option",
    "OptionType",
    "Reading",
    "Share",
    "Undated",
    "canonical_id",
    "format",
    "parse",
    "parse_canonical_id",
    "readings",
]
