"""Upstox: one JSON array for all exchanges in gzip form, rebuilt about 06:00 IST; formerly a CSV.

Format: https://upstox.com/developer/api-documentation/instruments. Both forms land in one table
with the columns of both; those that a form lacks are ''. `segment` is never blank in the JSON form
and always in the CSV form, which tells them apart.
"""

from __future__ import annotations

from loader.feeds.feed import Csv, Feed, Json

# In every object of the JSON form.
_ALWAYS = (
    "segment",
    "name",
    "exchange",
    "instrument_type",
    "instrument_key",
    "exchange_token",
    "trading_symbol",
)
# In derivatives, or in all but indices: a dump where one of these never occurs has changed its
# format.
_OFTEN = ("lot_size", "tick_size", "expiry", "strike_price", "underlying_symbol")
# In some kinds of instruments, some since 2026.
_SOMETIMES = (
    "isin",
    "freeze_quantity",
    "qty_multiplier",
    "minimum_lot",
    "weekly",
    "asset_symbol",
    "asset_key",
    "asset_type",
    "underlying_key",
    "underlying_type",
    "security_type",
    "short_name",
    "last_trading_date",
    "price_quote_unit",
    "mtf_enabled",
    "mtf_bracket",
    "cas_eligible",
    "country",
    "latency",
    "start_time",
    "end_time",
    "week_days",
)
_CSV = (
    "instrument_key",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "option_type",
    "exchange",
)
_CSV_ONLY = ("tradingsymbol", "last_price", "strike", "option_type")

FEED = Feed(
    name="upstox",
    title="Upstox",
    url="https://assets.upstox.com/market-quote/instruments/exchange/complete.json.gz",
    url_setting="UPSTOX_INSTRUMENTS_URL",
    table="upstox_instruments",
    columns=(*_ALWAYS, *_OFTEN, *_SOMETIMES, *_CSV_ONLY),
    # An object store calls the file application/gzip, application/x-gzip, application/json or
    # nothing in particular; a mirror may unzip it, and the older form is text/csv.
    content_types=("gzip", "json", "octet-stream", "csv", "text/plain"),
    csv=Csv(required=_CSV),
    json=Json(required=(*_ALWAYS, *_OFTEN)),
    usual_bytes=60_000_000,
)
