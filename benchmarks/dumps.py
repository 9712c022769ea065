"""The dumps that the benchmarks use."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

REAL = Path(__file__).resolve().parents[2] / "shared/data/kite/2026-08-17_instruments.csv.gz"
AS_OF = date(2026, 8, 17)
NEXT_DAY = date(2026, 8, 18)
_OTHERS = {
    "angel_one": "2025-10-28_OpenAPIScripMaster.json.gz",
    "dhan": "2026-02-10_api-scrip-master.csv.gz",
    "upstox": "2026-08-17_complete.json.gz",
}
# Dumps of days so far apart disagree on tokens that were used again, and the gate says so.
ACCEPTED = ("feed-conflicts-subscribed", "feed-conflicts-few")

# Of all rows: what a day changes, takes away and brings, together the 2 % of the limit.
CHANGED, LEFT, NEW = 0.010, 0.005, 0.005
# One row in so many leaves another broker's dump.
FEW = 200


def other_brokers() -> dict[str, Path]:
    """The real dumps of the brokers beside Kite."""
    return {name: REAL.parents[1] / name / file for name, file in _OTHERS.items()}


def count_rows(dump: Path) -> int:
    """How many rows a dump has, in CSV or JSON."""
    with gzip.open(dump, "rb") as handle:
        if dump.name.endswith(".json.gz"):
            return len(json.load(handle))
        return sum(1 for _ in handle) - 1


def thinned(dump: Path, target: Path) -> Path:
    """Write another broker's dump of the next day, from which one row in two hundred left."""
    with gzip.open(dump, "rb") as handle:
        if dump.name.endswith(".json.gz"):
            elements = json.load(handle)
            text = json.dumps([one for number, one in enumerate(elements) if number % FEW]).encode()
        else:
            header, *lines = handle.readlines()
            text = b"".join([header, *(line for number, line in enumerate(lines) if number % FEW)])
    target.write_bytes(gzip.compress(text, 6, mtime=0))
    return target


def next_day(dump: Path, target: Path) -> float:
    """Write the dump of the next day: 2 % of the rows changed, gone or new; returns that share.

    Half of what changes are ticks, half lots. Contracts of the focus underlyings are left alone,
    since the gate (rightly) watches them.
    """
    with gzip.open(dump, "rt", newline="") as handle:
        reader = csv.DictReader(handle)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    shares = [number for number, row in enumerate(rows) if _is_share(row)]
    contracts = [number for number, row in enumerate(rows) if _is_contract(row)]
    new, left = _spread(shares, NEW * len(rows)), _spread(contracts, LEFT * len(rows))
    others = sorted({*shares, *contracts} - new - left)
    changed = _spread(others, CHANGED * len(rows))
    lots = _spread(sorted(changed.intersection(contracts)), CHANGED / 2 * len(rows))
    written = []
    for number, row in enumerate(rows):
        if number in left:
            continue
        if number in lots:
            row["lot_size"] = str(int(row["lot_size"]) * 2)
        elif number in changed:
            row["tick_size"] = "0.1" if row["tick_size"] != "0.1" else "0.05"
        written.append(row)
        if number in new:
            written.append(_listed_beside(row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(written)
    target.write_bytes(gzip.compress(text.getvalue().encode(), 6, mtime=0))
    return (len(changed) + len(left) + len(new)) / len(rows)


def _is_share(row: Mapping[str, str]) -> bool:
    return row["segment"] in {"BSE", "NSE"} and row["tradingsymbol"] != "RELIANCE"


def _is_contract(row: Mapping[str, str]) -> bool:
    is_option = row["segment"] in {"NFO-OPT", "MCX-OPT", "NCO-OPT"}
    return is_option and row["name"] not in {"NIFTY", "BANKNIFTY"}


def _spread(numbers: Sequence[int], count: float) -> set[int]:
    """So many of them, evenly over all."""
    wanted = round(count)
    return {numbers[place * len(numbers) // wanted] for place in range(wanted)}


def _listed_beside(row: Mapping[str, str]) -> dict[str, str]:
    """A new share, with numbers and a symbol that no other has."""
    token = int(row["exchange_token"]) + 3_000_000
    return {
        **row,
        "exchange_token": str(token),
        "instrument_token": str(token * 256 + int(row["instrument_token"]) % 256),
        "tradingsymbol": f"{row['tradingsymbol']}X9",
    }
