"""Kite (Zerodha): the year first, everywhere; series after a hyphen, save EQ.

Source: `tradingsymbol` of https://api.kite.trade/instruments.
"""

from __future__ import annotations

from typing import Final

from instrument_registry.symbols import year_month
from instrument_registry.symbols.contracts import COMMON_EXCHANGES
from instrument_registry.symbols.grammar import Grammar
from instrument_registry.symbols.shares import PLAIN, SERIES_UNLESS_EQ

GRAMMAR: Final = Grammar(
    broker="kite",
    derivatives=dict.fromkeys(COMMON_EXCHANGES, year_month.form()),
    shares={"NSE": SERIES_UNLESS_EQ, "BSE": PLAIN, "MCX": PLAIN, "NCO": PLAIN},
    has_index_names=True,
)
