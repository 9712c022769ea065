"""Angel One: the day first at NFO and MCX, the year first at BFO, CDS and NCO, NCDEX apart.

NSE's shares always carry their series (`RELIANCE-EQ`). Strikes below one lose their zero
(`EURUSD25DEC.965CE`). NCDEX has a third form with the underlying future's month in it (see
`ncdex`).

Source: `symbol` of OpenAPIScripMaster.json, https://smartapi.angelbroking.com/docs/Instruments.
"""

from __future__ import annotations

from typing import Final

from instrument_registry.symbols import day_month_year, ncdex, year_month
from instrument_registry.symbols.grammar import Grammar
from instrument_registry.symbols.shares import PLAIN, SERIES_ALWAYS

GRAMMAR: Final = Grammar(
    broker="angel_one",
    derivatives=dict.fromkeys(("NFO", "MCX"), day_month_year.FORM)
    | dict.fromkeys(("BFO", "CDS", "NCO"), year_month.form(bare_fraction=True))
    | {"NCDEX": ncdex.FORM},
    shares={"NSE": SERIES_ALWAYS, "BSE": PLAIN, "NCDEX": PLAIN},
)
