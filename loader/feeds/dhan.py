"""Dhan: the compact scrip master, one CSV for all exchanges, with long-expired rows.

Format: https://dhanhq.co/docs/v2/instruments/. Its column names are in upper case; staging has
them in lower case, so that SQL needs no quotes, and a header may spell them either way. (The file
of 2023 had a space before its first name: names are stripped.)
"""

from __future__ import annotations

from loader.feeds.feed import Csv, Feed

_COLUMNS = (
    "sem_exm_exch_id",
    "sem_segment",
    "sem_smst_security_id",
    "sem_instrument_name",
    "sem_expiry_code",
    "sem_trading_symbol",
    "sem_lot_units",
    "sem_custom_symbol",
    "sem_expiry_date",
    "sem_strike_price",
    "sem_option_type",
    "sem_tick_size",
    "sem_expiry_flag",
    "sem_exch_instrument_type",
    "sem_series",
    "sm_symbol_name",
)

FEED = Feed(
    name="dhan",
    title="Dhan",
    url="https://images.dhan.co/api-data/api-scrip-master.csv",
    url_setting="DHAN_INSTRUMENTS_URL",
    table="dhan_instruments",
    columns=_COLUMNS,
    # An object store says text/csv or application/octet-stream; the others are a mirror's.
    content_types=("csv", "octet-stream", "gzip", "text/plain", "ms-excel"),
    csv=Csv(required=_COLUMNS, is_lowered=True),
    usual_bytes=35_000_000,
)
