"""The same contracts as other brokers write them: Upstox's JSON and Dhan's CSV of a Kite dump."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from tests.end_to_end.dumps import Row

INDIA = timezone(timedelta(hours=5, minutes=30))
OF_UPSTOX = {"NFO": ("NSE_FO", "NSE"), "BFO": ("BSE_FO", "BSE")}
OF_DHAN = {"NFO": "NSE", "BFO": "BSE"}
DHAN_COLUMNS = (
    "SEM_EXM_EXCH_ID", "SEM_SEGMENT", "SEM_SMST_SECURITY_ID", "SEM_INSTRUMENT_NAME",
    "SEM_EXPIRY_CODE", "SEM_TRADING_SYMBOL", "SEM_LOT_UNITS", "SEM_CUSTOM_SYMBOL",
    "SEM_EXPIRY_DATE", "SEM_STRIKE_PRICE", "SEM_OPTION_TYPE", "SEM_TICK_SIZE", "SEM_EXPIRY_FLAG",
    "SEM_EXCH_INSTRUMENT_TYPE", "SEM_SERIES", "SM_SYMBOL_NAME",
)  # fmt: skip


def contracts(rows: Iterable[Row]) -> list[Row]:
    """The futures and options of NSE and BSE shares and indices."""
    return [row for row in rows if row["exchange"] in OF_UPSTOX and row["expiry"]]


def _plain(number: str) -> str:
    return f"{Decimal(number).normalize():f}"


def upstox(path: Path, rows: Sequence[Row]) -> Path:
    """Write what Upstox would say of the rows' contracts."""
    entries = []
    for row in contracts(rows):
        segment, exchange = OF_UPSTOX[row["exchange"]]
        day = datetime.fromisoformat(row["expiry"])
        end = datetime.combine(day, time(23, 59, 59), INDIA)
        words = [row["name"], f"{day:%d %b %y}".upper()]
        if row["instrument_type"] == "FUT":
            words.insert(1, "FUT")
        else:
            words[1:1] = [_plain(row["strike"]), row["instrument_type"]]
        entry = {
            "weekly": False, "segment": segment, "name": row["name"], "exchange": exchange,
            "expiry": int(end.timestamp() * 1000), "instrument_type": row["instrument_type"],
            "underlying_symbol": row["name"], "asset_symbol": row["name"],
            "instrument_key": f"{segment}|{row['exchange_token']}",
            "lot_size": int(float(row["lot_size"])), "exchange_token": row["exchange_token"],
            "tick_size": float(row["tick_size"]) * 100, "trading_symbol": " ".join(words),
            "strike_price": float(row["strike"]),
        }  # fmt: skip
        entries.append(entry)
    path.write_text(json.dumps(entries))
    return path


def dhan(path: Path, rows: Sequence[Row]) -> Path:
    """Write what Dhan would say of the rows' contracts."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(DHAN_COLUMNS)
    for row in contracts(rows):
        day = datetime.fromisoformat(row["expiry"])
        is_index = row["name"] in {"NIFTY", "BANKNIFTY", "SENSEX"}
        kind = ("FUT" if row["instrument_type"] == "FUT" else "OPT") + (
            "IDX" if is_index else "STK"
        )
        words = [row["name"], f"{day:%b%Y}"]
        if kind.startswith("FUT"):
            words.append("FUT")
        else:
            words += [_plain(row["strike"]), row["instrument_type"]]
        writer.writerow(
            [
                OF_DHAN[row["exchange"]],
                "D",
                row["exchange_token"],
                kind,
                "0",
                "-".join(words),
                f"{float(row['lot_size']):.1f}",
                " ".join(words),
                f"{day:%Y-%m-%d} 14:30:00",
                "-0.01000" if kind.startswith("FUT") else f"{float(row['strike']):.5f}",
                "XX" if kind.startswith("FUT") else row["instrument_type"],
                f"{float(row['tick_size']) * 100:.4f}",
                "M",
                kind[:2],
                "",
                row["name"],
            ]
        )
    path.write_text(out.getvalue())
    return path
