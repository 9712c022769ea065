"""Dumps for tests: a cut of Kite's real one, small enough to sync in seconds, and damages to it.

The cut holds what the gate and the consumers look for (every exchange and segment, all indices,
the nearest three expiries of the focus underlyings whole) in the real order, in the real spelling.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

Row = dict[str, str]

COLUMNS = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry",
    "strike", "tick_size", "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip
FOCUS = {"NIFTY": "NFO", "BANKNIFTY": "NFO", "SENSEX": "BFO"}
OPTIONS = ("CE", "PE")

# How many rows of each other segment the cut keeps, from the beginning of it.
KEPT = 60
# Strikes with a third decimal (USDINR), which public.instruments cannot hold.
KEPT_FINE_STRIKES = 6


def read_dump(path: Path) -> list[Row]:
    """The rows of a CSV, gzipped or not, as text."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def csv_of(rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> bytes:
    """The rows as Kite writes them."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def write_dump(path: Path, rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(csv_of(rows, columns))
    return path


def cut(rows: Sequence[Row]) -> list[Row]:
    """The small dump: about 4,000 of the real rows, in their order."""
    near = {name: _near_expiries(rows, name) for name in FOCUS}
    kept: Counter[tuple[str, str, str]] = Counter()
    small = []
    for row in rows:
        name, segment = row["name"], row["segment"]
        is_focus = FOCUS.get(name) == row["exchange"]
        if is_focus:
            is_kept = row["instrument_type"] == "FUT" or row["expiry"] in near[name]
        elif segment == "INDICES" or row["tradingsymbol"] == "RELIANCE":
            is_kept = True
        else:
            kind = (row["exchange"], segment, row["instrument_type"])
            if _is_fine(row["strike"]):
                kind = (*kind[:2], "fine strike")
            kept[kind] += 1
            is_kept = kept[kind] <= (KEPT_FINE_STRIKES if kind[2] == "fine strike" else KEPT)
        if is_kept:
            small.append(row)
    return small


def _near_expiries(rows: Iterable[Row], name: str) -> set[str]:
    found = {
        row["expiry"]
        for row in rows
        if row["name"] == name
        and row["exchange"] == FOCUS[name]
        and row["instrument_type"] in OPTIONS
    }
    return set(sorted(found)[:3])


def _is_fine(strike: str) -> bool:
    return len(strike.rpartition(".")[2].rstrip("0")) > 2 if "." in strike else False


def next_day(rows: Sequence[Row]) -> list[Row]:
    """The same dump a day later: a few listed, delisted, renamed, re-lotted, re-ticked.

    One NIFTY option leaves and one comes, so that the `.env` line changes too.
    """
    changed = [dict(row) for row in rows]
    shares = [row for row in changed if row["segment"] == "NSE" and row["name"]]
    shares[5]["tradingsymbol"] += "X"
    shares[6]["name"] = "A NEW NAME, LIMITED"
    shares[7]["tick_size"] = "0.25"
    options = [row for row in changed if row["segment"] == "NFO-OPT" and row["name"] == "NIFTY"]
    far = max(options, key=lambda row: (row["expiry"], float(row["strike"])))
    new = dict(far)
    new["exchange_token"] = str(max(int(row["exchange_token"]) for row in options) + 1_000)
    new["instrument_token"] = str(int(new["exchange_token"]) * 256 + 2)
    strike = float(far["strike"]) + 5_000
    new["strike"] = str(strike)
    new["tradingsymbol"] = far["tradingsymbol"].replace(f"{float(far['strike']):g}", f"{strike:g}")
    changed.insert(changed.index(far) + 1, new)
    gone = min(options, key=lambda row: (row["expiry"], float(row["strike"])))
    changed.remove(gone)
    changed.remove(shares[8])
    return changed


def without(rows: Sequence[Row], is_left_out: Callable[[Row], bool]) -> list[Row]:
    return [row for row in rows if not is_left_out(row)]


def tokens_of(rows: Iterable[Row], *names: str) -> list[int]:
    """The subscription that a filter gives, counted independently: in dump order."""
    return [
        int(row["instrument_token"])
        for row in rows
        if row["name"] in names
        and row["segment"] in {f"{FOCUS[row['name']]}-OPT", f"{FOCUS[row['name']]}-FUT"}
    ]
