"""Angel One: the day first at NFO and MCX, but the year first at BFO, CDS and NCO.

NSE's shares always carry their series (`RELIANCE-EQ`). Strikes below one lose their zero
(`EURUSD25DEC.965CE`). NCDEX has a third form with the underlying future's month in it
(`DHANIYA11DEC25CE9200FDEC25`), which no contract of ours can say: it is refused.

Source: `symbol` of OpenAPIScripMaster.json, https://smartapi.angelbroking.com/docs/Instruments.
"""

from __future__ import annotations

from typing import Final

from instrument_registry.symbols import day_month_year, year_month
from instrument_registry.symbols.grammar import Grammar
from instrument_registry.symbols.shares import PLAIN, SERIES_ALWAYS

GRAMMAR: Final = Grammar(
    broker="angel_one",
    derivatives=dict.fromkeys(("NFO", "MCX"), day_month_year.FORM)
    | dict.fromkeys(("BFO", "CDS", "NCO"), year_month.form(bare_fraction=True)),
    shares={"NSE": SERIES_ALWAYS, "BSE": PLAIN},
)
