"""The same instruments as other brokers write them, made from the rows of a Kite dump.

Angel One's JSON and Upstox's, Dhan's CSV: each in its broker's own units, spelling and placeholders
(CONTRACTS 9), written here without a look at what reads them.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.dumps import Row

Mappings = dict[str, dict[str, dict[str, object]]]

FEEDS = ("kite", "angel_one", "upstox", "dhan")
INDIA = timezone(timedelta(hours=5, minutes=30))
OF_UPSTOX = {"NFO": ("NSE_FO", "NSE"), "BFO": ("BSE_FO", "BSE")}
OF_DHAN = {"NFO": "NSE", "BFO": "BSE"}
# Angel One: what rupees are multiplied with, and the words for futures and options, where they
# are not those of an exchange of shares.
SCALES = {"NSE": 100, "NFO": 100, "BFO": 100, "MCX": 100, "CDS": 10_000_000, "NCO": 10_000}
KINDS = {"CDS": ("FUTCUR", "OPTCUR"), "MCX": ("FUTCOM", "OPTFUT"), "NCO": ("FUTBLN", "OPTFUT")}
INDICES = {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX"}
DAY_FIRST = {"NFO", "MCX"}
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


def contract_id(row: Row) -> str:
    """The canonical id of a contract."""
    start = f"{row['exchange']}:{row['name']}:{row['expiry']}"
    if row["instrument_type"] == "FUT":
        return f"{start}:FUT"
    return f"{start}:{_plain(row['strike'])}:{row['instrument_type']}"


@dataclass(frozen=True)
class Dumps:
    """What the three other brokers say of a dump of Kite's, a file each."""

    rows: Sequence[Row]
    angel_one: Path
    upstox: Path
    dhan: Path

    @classmethod
    def of(cls, folder: Path, rows: Sequence[Row], *more: Row) -> Dumps:
        """Write them; `more` is what Angel One has besides."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(
            rows,
            angel_one(folder / "angel-one.json", rows, *more),
            upstox(folder / "upstox.json", rows),
            dhan(folder / "dhan.csv", rows),
        )

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a sync with all of them."""
        return {
            "FEEDS": ",".join(FEEDS),
            "ANGEL_ONE_SOURCE": str(self.angel_one),
            "UPSTOX_SOURCE": str(self.upstox),
            "DHAN_SOURCE": str(self.dhan),
        }

    def mappings(self) -> Mappings:
        """CONTRACTS 6: how each broker spells and numbers each contract, by its canonical id."""
        found: Mappings = {
            contract_id(row): {
                "zerodha": {
                    "tradingsymbol": row["tradingsymbol"],
                    "instrument_token": int(row["instrument_token"]),
                }
            }
            for row in self.rows
            if row["expiry"]
        }
        listed = json.loads(self.angel_one.read_text())
        for row, entry in zip(of_angel_one(self.rows), listed, strict=False):
            if row["expiry"]:
                told = {"tradingsymbol": entry["symbol"], "symboltoken": entry["token"]}
                found[contract_id(row)]["angel_one"] = told
        lines = csv.DictReader(io.StringIO(self.dhan.read_text()))
        entries = json.loads(self.upstox.read_text())
        for row, entry, line in zip(contracts(self.rows), entries, lines, strict=True):
            found[contract_id(row)] |= {
                "upstox": {
                    "tradingsymbol": entry["trading_symbol"],
                    "instrument_key": entry["instrument_key"],
                },
                "dhan": {
                    "tradingsymbol": line["SEM_TRADING_SYMBOL"],
                    "security_id": line["SEM_SMST_SECURITY_ID"],
                },
            }
        return found

    def mappings_with_angel_one_of(self, before: Dumps) -> Mappings:
        """The same when Angel One's dump is that of an earlier day."""
        found = self.mappings()
        for mappings in found.values():
            mappings.pop("angel_one", None)
        for name, mappings in before.mappings().items():
            if "angel_one" in mappings:
                found.setdefault(name, {})["angel_one"] = mappings["angel_one"]
        return found


def mappings_in(path: Path) -> Mappings:
    """The same, as any YAML reader finds it in a canonical_instruments.yaml."""
    return {
        name: terms["broker_mappings"]
        for name, terms in canonical(path).items()
        if "expiry" in terms
    }


def canonical(path: Path) -> dict[str, dict[str, Any]]:
    """The instruments of a canonical_instruments.yaml."""
    document: dict[str, Any] = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    assert set(document) == {"last_updated", "instruments"}
    found: dict[str, dict[str, Any]] = document["instruments"]
    return found


def of_angel_one(rows: Iterable[Row]) -> list[Row]:
    """What Angel One lists of the rows: contracts of five exchanges, NSE's shares and indices."""
    return [
        row
        for row in rows
        if row["exchange"] in SCALES and (row["expiry"] or row["segment"] in {"NSE", "INDICES"})
    ]


def angel_one(path: Path, rows: Sequence[Row], *more: Row) -> Path:
    """Write what Angel One would say of the rows.

    Args:
        path: the file.
        rows: Kite's.
        more: entries that Angel One has besides, as it writes them.
    """
    entries = [
        _angel_one_contract(row) if row["expiry"] else _angel_one_share(row)
        for row in of_angel_one(rows)
    ]
    path.write_text(json.dumps([*entries, *more]))
    return path


def angel_one_share(token: str, symbol: str, name: str, tick: str = "5.000000") -> Row:
    """An entry of one share of NSE."""
    return {
        "token": token, "symbol": symbol, "name": name, "expiry": "", "strike": "-1.000000",
        "lotsize": "1", "instrumenttype": "", "exch_seg": "NSE", "tick_size": tick,
    }  # fmt: skip


def _angel_one_share(row: Row) -> Row:
    symbol = row["tradingsymbol"]
    if row["segment"] == "INDICES":
        token = f"999{row['exchange_token']}"
        index = angel_one_share(token, symbol.title(), symbol, "0.000000")
        return index | {"instrumenttype": "AMXIDX", "strike": "0.000000"}
    spelled = symbol if re.search("-[A-Z0-9]{2}$", symbol) else f"{symbol}-EQ"
    tick = _times(row["tick_size"], SCALES["NSE"])
    share = angel_one_share(row["exchange_token"], spelled, spelled[:-3], tick)
    return share | {"lotsize": _plain(row["lot_size"])}


def _angel_one_contract(row: Row) -> Row:
    exchange, name, is_future = row["exchange"], row["name"], row["instrument_type"] == "FUT"
    day = datetime.fromisoformat(row["expiry"])
    if exchange in DAY_FIRST:
        strike = "" if is_future else _plain(row["strike"])
        symbol = f"{name}{day:%d%b%y}".upper() + strike + row["instrument_type"]
    else:  # year first, as at Kite
        symbol = row["tradingsymbol"]
    of_shares = ("FUTIDX", "OPTIDX") if name in INDICES else ("FUTSTK", "OPTSTK")
    future, option = KINDS.get(exchange, of_shares)
    return {
        "token": row["exchange_token"], "symbol": symbol, "name": name,
        "expiry": f"{day:%d%b%Y}".upper(),
        "strike": "-1.000000" if is_future else _times(row["strike"], SCALES[exchange]),
        "lotsize": _plain(row["lot_size"]),
        "instrumenttype": future if is_future else option, "exch_seg": exchange,
        "tick_size": _times(row["tick_size"], SCALES[exchange]),
    }  # fmt: skip


def _times(number: str, scale: int) -> str:
    return f"{Decimal(number) * scale:.6f}"


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
