"""Rows as `marts.broker_instruments` has them, built from the dumps' own columns.

The canonical ids are those of the dbt models (`int_kite_instruments__identified`,
`int_broker_instruments__identified`), spelled here by the symbols package's rules.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from instrument_registry.records import BrokerRow
from instrument_registry.symbols.notation import strike_text
from tests.instrument_registry.dump_rows import (
    IST,
    KITE,
    UPSTOX,
    UPSTOX_EXCHANGE,
    csv_rows,
    json_rows,
)

PROJECT = Path(__file__).resolve().parents[2]
_UPSTOX_CASH = {
    "NSE_EQ": "NSE", "NSE_INDEX": "NSE", "BSE_EQ": "BSE", "BSE_INDEX": "BSE", "MCX_INDEX": "MCX",
    "GLOBAL_INDEX": "GLOBAL", "GLOBAL_INDICATOR": "GLOBAL",
}  # fmt: skip


def contract_id(
    exchange: str, underlying: str, expiry: date, strike: Decimal | None, kind: str
) -> str:
    head = f"{exchange}:{underlying}:{expiry.isoformat()}"
    return f"{head}:FUT" if strike is None else f"{head}:{strike_text(strike)}:{kind}"


def kite_row(row: dict[str, str]) -> BrokerRow:
    kind, exchange = row["instrument_type"], row["exchange"]
    expiry = date.fromisoformat(row["expiry"]) if row["expiry"] else None
    strike = Decimal(row["strike"]) if kind in {"CE", "PE"} else None
    if kind != "EQ" and expiry is not None:
        identity = contract_id(exchange, row["name"].strip(), expiry, strike, kind)
    else:
        where = "INDEX" if row["segment"] == "INDICES" else exchange
        identity = f"{where}:{row['tradingsymbol'].strip()}"
    return BrokerRow(
        "kite", exchange, row["instrument_token"], identity, row["tradingsymbol"], row["name"],
        row["segment"], kind, None, strike, Decimal(row["tick_size"]), int(row["lot_size"]),
        expiry,
    )  # fmt: skip


@cache
def _aliases() -> dict[tuple[str, str], str]:
    path = PROJECT / "dbt_project" / "seeds" / "instrument_aliases.csv"
    with path.open(newline="") as file:
        return {
            (row["exchange"], row["spelling"]): row["canonical_id"]
            for row in csv.DictReader(file)
            if row["feed"] == "upstox"
        }


def upstox_row(row: dict[str, object]) -> BrokerRow:
    segment, symbol = str(row["segment"]), str(row["trading_symbol"])
    exchange = UPSTOX_EXCHANGE.get(segment) or _UPSTOX_CASH[segment]
    kind = str(row["instrument_type"])
    expiry = strike = None
    isin = series = None
    if row.get("expiry"):
        expiry = datetime.fromtimestamp(int(str(row["expiry"])) / 1000, IST).date()
        strike = Decimal(str(row["strike_price"])) if kind != "FUT" else None
        underlying = str(row.get("underlying_symbol") or row.get("asset_symbol"))
        identity = contract_id(exchange, underlying, expiry, strike, kind)
    elif segment.endswith(("_INDEX", "_INDICATOR")):
        name = str(row["instrument_key"]).partition("|")[2].upper()
        identity = _aliases().get((exchange, name), f"INDEX:{name}")
    elif segment.endswith("_EQ"):
        isin, series = str(row.get("isin") or "") or None, kind
        plain = exchange != "NSE" or series == "EQ"
        identity = f"{exchange}:{symbol.strip()}" + ("" if plain else f"-{series}")
    else:
        identity = f"{exchange}:{str(row['name']).strip()}"
    return BrokerRow(
        "upstox", exchange, str(row["instrument_key"]), identity, symbol, str(row["name"]),
        segment, kind if expiry else "EQ", isin, strike,
        Decimal(str(row.get("tick_size") or 0)) / 100, int(str(row.get("lot_size") or 0)), expiry,
    )  # fmt: skip


def _once(rows: Iterator[BrokerRow]) -> Iterator[BrokerRow]:
    """The warehouse publishes a token of a broker and exchange once, the first."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        key = (row.exchange, row.broker_token)
        if key not in seen:
            seen.add(key)
            yield row


@cache
def kite_rows(folder: Path) -> tuple[BrokerRow, ...]:
    return tuple(_once(map(kite_row, csv_rows(folder / KITE))))


@cache
def upstox_rows(folder: Path) -> tuple[BrokerRow, ...]:
    return tuple(_once(map(upstox_row, json_rows(folder / UPSTOX))))
