"""Angel One: one JSON array for all exchanges, every value a text, rebuilt each morning.

Format: https://smartapi.angelbroking.com/docs/Instruments
"""

from __future__ import annotations

from loader.feeds.feed import Feed, Json

_COLUMNS = (
    "token",
    "symbol",
    "name",
    "expiry",
    "strike",
    "lotsize",
    "instrumenttype",
    "exch_seg",
    "tick_size",
)

FEED = Feed(
    name="angel_one",
    title="Angel One",
    url="https://margincalculator.angelone.in/OpenAPI_File/files/OpenAPIScripMaster.json",
    url_setting="ANGEL_ONE_INSTRUMENTS_URL",
    table="angel_one_instruments",
    columns=_COLUMNS,
    # Angel One says application/json; a mirror or object store says one of the others.
    content_types=("json", "octet-stream", "gzip", "text/plain"),
    json=Json(required=_COLUMNS),
    usual_bytes=35_000_000,
)
