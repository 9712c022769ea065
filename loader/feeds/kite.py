"""Kite (Zerodha): one CSV for all exchanges, rebuilt about 08:00-08:30 IST.

Format: https://kite.trade/docs/connect/v3/market-quotes/#csv-response-columns
"""

from __future__ import annotations

from loader.feeds.feed import Csv, Feed

_COLUMNS = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
_EXCHANGES = frozenset(
    {"NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "MCXSX", "NCO", "GLOBAL", "NSEIX"}
)
_KINDS = frozenset({"EQ", "FUT", "CE", "PE"})

FEED = Feed(
    name="kite",
    title="Kite",
    url="https://api.kite.trade/instruments",
    url_setting="KITE_INSTRUMENTS_URL",
    table="kite_instruments",
    columns=_COLUMNS,
    # Kite says text/csv; a plain file server says one of the others for the same bytes.
    content_types=("csv", "gzip", "octet-stream", "text/plain", "ms-excel"),
    csv=Csv(required=_COLUMNS, words={"exchange": _EXCHANGES, "instrument_type": _KINDS}),
    has_sample=True,
)
