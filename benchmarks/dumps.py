"""The dumps that the benchmarks use."""

from __future__ import annotations

import csv
import gzip
import io
import json
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

# Of every 200 rows, two change their tick or lot, one leaves and one is new: 2 % in all.
STEP = 200


def other_brokers() -> dict[str, Path]:
    """The real dumps of the brokers beside Kite."""
    return {name: REAL.parents[1] / name / file for name, file in _OTHERS.items()}


def count_rows(dump: Path) -> int:
    """How many rows a dump has, in CSV or JSON."""
    with gzip.open(dump, "rb") as handle:
        if dump.name.endswith(".json.gz"):
            return len(json.load(handle))
        return sum(1 for _ in handle) - 1


def next_day(dump: Path, target: Path) -> None:
    """Write the dump of the next day: 2 % of the rows changed, gone or new.

    Contracts of the focus underlyings are left alone, since the gate (rightly) watches them.
    """
    with gzip.open(dump, "rt", newline="") as handle:
        reader = csv.DictReader(handle)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    written = []
    for number, row in enumerate(rows):
        kind = number % STEP
        is_share = row["segment"] in {"BSE", "NSE"} and row["tradingsymbol"] != "RELIANCE"
        is_contract = row["segment"] in {"NFO-OPT", "MCX-OPT", "NCO-OPT"} and row["name"] not in {
            "NIFTY",
            "BANKNIFTY",
        }
        if kind in {0, 1} and (is_share or is_contract):
            row["tick_size"] = "0.1" if row["tick_size"] != "0.1" else "0.05"
        if kind == 2 and is_contract:  # the third of two hundred leaves
            continue
        written.append(row)
        if kind == 3 and is_share:  # the fourth brings a new share
            token = int(row["exchange_token"]) + 3_000_000
            low = int(row["instrument_token"]) % 256
            written.append(
                {
                    **row,
                    "exchange_token": str(token),
                    "instrument_token": str(token * 256 + low),
                    "tradingsymbol": f"{row['tradingsymbol']}X9",
                }
            )
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(written)
    target.write_bytes(gzip.compress(text.getvalue().encode(), 6, mtime=0))
