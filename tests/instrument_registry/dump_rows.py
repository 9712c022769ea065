"""Rows of the real dumps with the terms of their own columns, never of their symbols."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from instrument_registry.symbols import Future, Option, OptionType

KITE = "kite/2026-08-17_instruments.csv.gz"
KITE_EXPIRY_DAY = "kite/2025-11-25_nfo.csv.gz"
KITE_NSE = "kite/2026-07-30_nse.csv.gz"
ANGEL_ONE = "angel_one/2025-10-28_OpenAPIScripMaster.json.gz"
DHAN = "dhan/2026-02-10_api-scrip-master.csv.gz"
UPSTOX = "upstox/2026-08-17_complete.json.gz"
UPSTOX_CSV = "upstox/2026-02-05_complete.csv.gz"

IST = timezone(timedelta(hours=5, minutes=30))
UPSTOX_EXCHANGE = {
    "NSE_FO": "NFO", "BSE_FO": "BFO", "NCD_FO": "CDS", "BCD_FO": "BCD", "MCX_FO": "MCX",
    "NSE_COM": "NCO",
}  # fmt: skip
DHAN_EXCHANGE = {
    ("NSE", "D"): "NFO", ("BSE", "D"): "BFO", ("NSE", "C"): "CDS", ("BSE", "C"): "BCD",
    ("MCX", "M"): "MCX", ("NSE", "M"): "NCO",
}  # fmt: skip
ANGEL_SCALE = {"CDS": 10**7, "NCO": 10**4}


@dataclass(frozen=True, slots=True)
class Row:
    """A future or option: its symbol, and the terms that its other columns say.

    `underlying` is None where the row names none (Upstox's CSV, a blank name); `token` is the
    exchange's number.
    """

    symbol: str
    exchange: str
    underlying: str | None
    expiry: date
    strike: Decimal | None
    option_type: str | None
    token: str

    def contract(self, underlying: str) -> Future | Option:
        if self.option_type is None or self.strike is None:
            return Future(self.exchange, underlying, self.expiry)
        return Option(
            self.exchange, underlying, self.expiry, self.strike, OptionType(self.option_type)
        )


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def json_rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = json.load(file)
    assert isinstance(found, list)
    return found


def _kite(path: Path) -> Iterator[Row]:
    for row in csv_rows(path):
        if (kind := row["instrument_type"]) != "EQ":
            option = kind != "FUT"
            yield Row(
                row["tradingsymbol"], row["exchange"], row["name"],
                date.fromisoformat(row["expiry"]),
                Decimal(row["strike"]) if option else None, kind if option else None,
                row["exchange_token"],
            )  # fmt: skip


def _angel_one(path: Path) -> Iterator[Row]:
    for row in json_rows(path):
        if row["expiry"]:
            exchange, symbol = row["exch_seg"], row["symbol"]
            option = row["instrumenttype"].startswith("OPT")
            strike = Decimal(row["strike"]) / ANGEL_SCALE.get(exchange, 100)
            yield Row(
                symbol, exchange, row["name"] or None,
                datetime.strptime(row["expiry"], "%d%b%Y").replace(tzinfo=IST).date(),
                strike if option else None, _angel_ones_type(row) if option else None,
                row["token"],
            )  # fmt: skip


def _angel_ones_type(row: dict[str, Any]) -> str:
    # At NCDEX it follows the day; the strike and the future's month come after it.
    if row["exch_seg"] == "NCDEX":
        return str(row["symbol"][len(row["name"]) + 7 :][:2])
    return str(row["symbol"][-2:])


def _dhan(path: Path) -> Iterator[Row]:
    for row in csv_rows(path):
        where = (row["SEM_EXM_EXCH_ID"], row["SEM_SEGMENT"])
        if where in DHAN_EXCHANGE:
            option = row["SEM_OPTION_TYPE"] in {"CE", "PE"}
            yield Row(
                row["SEM_TRADING_SYMBOL"], DHAN_EXCHANGE[where],
                # `NIFTY 24 FEB 25000 CALL`; MCX says NATURALGASM there for NATGASMINI.
                row["SEM_CUSTOM_SYMBOL"].split()[0] if where[0] != "MCX" else None,
                date.fromisoformat(row["SEM_EXPIRY_DATE"][:10]),
                Decimal(row["SEM_STRIKE_PRICE"]) if option else None,
                row["SEM_OPTION_TYPE"] if option else None, row["SEM_SMST_SECURITY_ID"],
            )  # fmt: skip


def _upstox(path: Path) -> Iterator[Row]:
    for row in json_rows(path):
        if row.get("expiry"):
            option = row["instrument_type"] != "FUT"
            yield Row(
                row["trading_symbol"], UPSTOX_EXCHANGE[row["segment"]], row["underlying_symbol"],
                datetime.fromtimestamp(row["expiry"] / 1000, IST).date(),
                Decimal(str(row["strike_price"])) if option else None,
                row["instrument_type"] if option else None, row["exchange_token"],
            )  # fmt: skip


def _upstox_csv(path: Path) -> Iterator[Row]:
    for row in csv_rows(path):
        if row["expiry"]:
            option = row["option_type"] != "FF"
            yield Row(
                row["tradingsymbol"], UPSTOX_EXCHANGE[row["exchange"]], None,
                date.fromisoformat(row["expiry"]),
                Decimal(row["strike"]) if option else None,
                row["option_type"] if option else None, row["exchange_token"],
            )  # fmt: skip


_READERS = {
    KITE: _kite, KITE_EXPIRY_DAY: _kite, ANGEL_ONE: _angel_one, DHAN: _dhan, UPSTOX: _upstox,
    UPSTOX_CSV: _upstox_csv,
}  # fmt: skip


@cache
def derivatives(folder: Path, dump: str) -> tuple[Row, ...]:
    """Every future and option of a dump. Memory: some 100 MB for the largest."""
    return tuple(_READERS[dump](folder / dump))
