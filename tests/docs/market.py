"""A small market on three days, with one thing of each kind happening; and Acme's word for it.

What happens is chosen here and told, so that a test can say what a query has to find.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from loader.sample import sample_chunks

Row = dict[str, str]

# A day on which contracts expire, and the two after it.
FIRST, SECOND, THIRD = date(2026, 8, 18), date(2026, 8, 19), date(2026, 8, 20)
ROWS = 8_000
OLD_LOT, NEW_LOT = "65", "75"
LOTS_CHANGE = ("NIFTY", "2026-10-27")
ADJUSTED, ADJUSTMENT = "FINNIFTY", Decimal("-12.5")
ACME_COLUMNS = (
    "token", "symbol", "series", "name", "underlying", "kind", "exchange", "expiry", "strike",
    "lot", "tick",
)  # fmt: skip
ONE_DAY = timedelta(days=1)
_ACMES_EXCHANGE = {"NSE": "NSE", "BSE": "BSE", "NFO": "NSEFO", "BFO": "BSEFO"}


def sample(as_of: date) -> list[Row]:
    """The rows of a day's sample dump."""
    text = b"".join(sample_chunks(rows=ROWS, as_of=as_of)).decode()
    return list(csv.DictReader(io.StringIO(text)))


def write(path: Path, rows: Sequence[Row], columns: Iterable[str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, tuple(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def plain(number: str) -> str:
    """`26000.0` as `26000`."""
    return f"{Decimal(number).normalize():f}"


@dataclass(frozen=True)
class Market:
    """Kite's dumps of two days, Acme's of the second, and what they do not say alike.

    Attributes:
        first: Kite's rows of the first day.
        second: those of the second; one more row there does not type.
        acme: Acme's rows of the second day; its last four go no further.
        shares: what happens to a share, and its row before (after, of what is listed).
        moved: a subscribed contract on the second day, under another token than before.
        odd: the symbol that does not say its terms, on both days.
        differing: Kite's rows of the second day of which Acme says something else, by what.
    """

    first: list[Row]
    second: list[Row]
    acme: list[Row]
    shares: dict[str, Row]
    moved: Row
    odd: str
    differing: dict[str, Row]


def market() -> Market:
    """The market, made anew; the same every time."""
    first, second = sample(FIRST), sample(SECOND)
    shares = _change_shares(first, second)
    odd = ""
    for rows in (first, second):
        other = next(row for row in rows if row["segment"] == "BCD-OPT")
        odd = other["tradingsymbol"] = f"{other['tradingsymbol'][:-2]}1CE"
    for row in second:
        if (row["name"], row["expiry"]) == LOTS_CHANGE:
            assert row["lot_size"] == OLD_LOT
            row["lot_size"] = NEW_LOT
        if row["name"] == ADJUSTED and row["instrument_type"] != "FUT":
            _adjust(row)
    moved = next(row for row in second if row["tradingsymbol"] == "NIFTY26SEPFUT")
    _give_token(moved, 7_900_004, low_byte=2)
    puts = [row for row in second if row["name"] == "INFY" and row["instrument_type"] == "PE"]
    future = next(row for row in second if row["tradingsymbol"] == "MIDCPNIFTY26OCTFUT")
    words = ("lot_size", "tick_size_inr", "no lot", "strike")
    differing = {**dict(zip(words, puts, strict=False)), "expiry_date": future}
    return Market(first, second, acme(second, differing), shares, moved, odd, differing)


def untyped(rows: Sequence[Row]) -> Row:
    """A row of Kite's that does not type: its lot is a word."""
    row = next(row for row in rows if row["segment"] == "MCX-OPT")
    token = {"instrument_token": str(7_900_003 * 256 + 7), "exchange_token": "7900003"}
    return row | token | {"lot_size": "one"}


def _change_shares(first: list[Row], second: list[Row]) -> dict[str, Row]:
    words = ("renamed", "moved", "series", "ticked", "delisted", "listed")
    plainly_named = [
        row for row in first
        if row["segment"] == "NSE" and row["name"] and row["tradingsymbol"].isalpha()
    ]  # fmt: skip
    shares = {word: dict(row) for word, row in zip(words, plainly_named[-9:], strict=False)}
    later = {row["instrument_token"]: row for row in second}
    changed = {word: later[row["instrument_token"]] for word, row in shares.items()}
    changed["renamed"]["tradingsymbol"] += "X"
    _give_token(changed["moved"], 7_900_001)
    changed["series"]["tradingsymbol"] += "-BE"
    _give_token(changed["series"], 7_900_002)
    changed["ticked"]["tick_size"] = "0.25"
    second.remove(changed["delisted"])
    first.remove(shares["listed"])
    return shares


def _give_token(row: Row, exchange_token: int, low_byte: int = 1) -> None:
    row["exchange_token"] = str(exchange_token)
    row["instrument_token"] = str(exchange_token * 256 + low_byte)


def _adjust(row: Row) -> None:
    strike = Decimal(row["strike"]) + ADJUSTMENT
    end = plain(row["strike"]) + row["instrument_type"]
    assert row["tradingsymbol"].endswith(end)
    row["strike"] = plain(str(strike))
    row["tradingsymbol"] = (
        row["tradingsymbol"].removesuffix(end) + row["strike"] + row["instrument_type"]
    )


def acme(rows: Sequence[Row], differing: dict[str, Row]) -> list[Row]:
    """What Acme says of Kite's rows of NSE and BSE, in its own words and units."""
    words = {row["instrument_token"]: what for what, row in differing.items()}
    told = [
        _acmes(row, words.get(row["instrument_token"], ""))
        for row in rows
        if row["exchange"] in _ACMES_EXCHANGE
        and row["segment"] != "INDICES"
        and (row["expiry"] or row["tradingsymbol"].isalnum())
    ]
    share = dict.fromkeys(ACME_COLUMNS, "") | {
        "kind": "EQ", "exchange": "NSE", "series": "EQ", "strike": "-1", "lot": "1", "tick": "5",
    }  # fmt: skip
    expired = next(row for row in told if row["kind"] == "FUT")
    return [
        *told,
        share | {"token": "26000", "symbol": "Nifty Fifty", "kind": "INDEX", "series": ""},
        share | {"token": "7900009", "symbol": "NEWCO", "name": "NEWCO LTD"},
        share | {"token": "7900010", "symbol": "011NSETEST"},
        expired | {"token": "7900011", "expiry": "2026-07-28"},
        share | {"token": "7900012", "symbol": "LOST", "exchange": "NSEXX"},
        told[0],
    ]


def _acmes(row: Row, differs_in: str) -> Row:
    expiry, strike, lot = row["expiry"], row["strike"], row["lot_size"]
    tick = Decimal(row["tick_size"]) * 100
    if differs_in == "lot_size":
        lot = str(2 * int(lot))
    elif differs_in == "tick_size_inr":
        tick *= 2
    elif differs_in == "no lot":
        lot = ""
    elif differs_in == "strike":
        strike = str(Decimal(strike) + Decimal("0.05"))
    elif differs_in == "expiry_date":
        expiry = str(date.fromisoformat(expiry) - ONE_DAY)
    is_option = row["instrument_type"] in {"CE", "PE"}
    words = [row["name"], f"{date.fromisoformat(expiry):%d%b%y}".upper()] if expiry else []
    words += [plain(strike)] if is_option else []
    return {
        "token": row["exchange_token"],
        "symbol": " ".join([*words, row["instrument_type"]]) if expiry else row["tradingsymbol"],
        "series": "EQ" if row["exchange"] == "NSE" else "",
        "name": row["name"],
        "underlying": row["name"] if expiry else "",
        "kind": row["instrument_type"],
        "exchange": _ACMES_EXCHANGE[row["exchange"]],
        "expiry": expiry,
        "strike": plain(strike) if is_option else "-1",
        "lot": lot,
        "tick": f"{tick:f}",
    }
