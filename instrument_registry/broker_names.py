"""What brokers are called here, and in the warehouse's tables.

Trading programs say `zerodha`; the warehouse's feed is `kite`. Both are taken, results say the
first. A broker that is not among these is taken under the name that its rows have.
"""

from __future__ import annotations

from typing import Final

BROKERS: Final = ("zerodha", "angel_one", "dhan", "upstox")
ALIASES: Final = {"kite": "zerodha"}
# Whose grammar of `instrument_registry.symbols` it is.
GRAMMARS: Final = {"zerodha": "kite", "angel_one": "angel_one", "dhan": "dhan", "upstox": "upstox"}


def public_name(broker: str) -> str:
    """The name that results have: `zerodha` for `kite`."""
    return ALIASES.get(broker, broker)


def asked_name(broker: str) -> str:
    """The public name that a caller means, who may write `ANGEL_ONE`."""
    lowered = public_name(broker.lower())
    return lowered if lowered in BROKERS else public_name(broker)
