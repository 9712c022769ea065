"""The three ways in which cash symbols are spelled."""

from __future__ import annotations

from typing import Final

from instrument_registry.errors import ContractInvalid
from instrument_registry.symbols.contracts import Share
from instrument_registry.symbols.grammar import ShareForm

_SERIES_LENGTH: Final = 2


def _share(exchange: str, symbol: str, series: str | None) -> Share | None:
    try:
        return Share(exchange, symbol, series)
    except ContractInvalid:
        return None


def _split(symbol: str) -> tuple[str, str | None]:
    """The symbol and its series; BAJAJ-AUTO and NAM-INDIA have a hyphen but no series."""
    name, hyphen, series = symbol.rpartition("-")
    return (name, series) if hyphen and len(series) == _SERIES_LENGTH else (symbol, None)


def _read_plain(symbol: str, exchange: str, series: str | None) -> Share | None:
    return _share(exchange, symbol, series)


def _write_plain(share: Share) -> str | None:
    return share.symbol


def _read_unless_eq(symbol: str, exchange: str, series: str | None) -> Share | None:
    if series == "EQ":
        # Known from elsewhere, so that a hyphen in the symbol is no series.
        return _share(exchange, symbol, series)
    name, written = _split(symbol)
    if written == "EQ" or series not in {None, written}:
        # EQ is never written: a second spelling of one share would lead no lookup anywhere.
        return None
    return _share(exchange, name, written or "EQ")


def _write_unless_eq(share: Share) -> str | None:
    if share.series is None:
        return None
    return share.symbol if share.series == "EQ" else f"{share.symbol}-{share.series}"


def _read_always(symbol: str, exchange: str, series: str | None) -> Share | None:
    name, written = _split(symbol)
    if written is None or series not in {None, written}:
        return None
    return _share(exchange, name, written)


def _write_always(share: Share) -> str | None:
    return None if share.series is None else f"{share.symbol}-{share.series}"


PLAIN: Final = ShareForm("SYMBOL (`RELIANCE`)", _read_plain, _write_plain)
SERIES_UNLESS_EQ: Final = ShareForm(
    "SYMBOL in series EQ, SYMBOL-SERIES in any other (`RELIANCE`, `SYSTANGO-SM`)",
    _read_unless_eq,
    _write_unless_eq,
)
SERIES_ALWAYS: Final = ShareForm("SYMBOL-SERIES (`RELIANCE-EQ`)", _read_always, _write_always)
