"""OpenAlgo: the day first, everywhere; shares by their bare symbol.

Source: https://docs.openalgo.in/symbol-format.
"""

from __future__ import annotations

from typing import Final

from instrument_registry.symbols import day_month_year
from instrument_registry.symbols.contracts import COMMON_EXCHANGES
from instrument_registry.symbols.grammar import Grammar
from instrument_registry.symbols.shares import PLAIN

GRAMMAR: Final = Grammar(
    broker="openalgo",
    derivatives=dict.fromkeys(COMMON_EXCHANGES, day_month_year.FORM),
    shares={"NSE": PLAIN, "BSE": PLAIN},
)
