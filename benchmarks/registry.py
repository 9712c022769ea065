"""The registry against plain dicts of the same rows: speed of a lookup, of loading, and memory.

    python -m benchmarks.registry [--rounds N]

Four brokers of 125 thousand rows each: Kite's dump, and the same contracts as the others spell and
number them. "Plain" is what one writes without a registry: a dict of dicts, filled from PostgreSQL
row by row. Whatever is compared ran in turn, in this run; each side of a comparison of memory or
loading in a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import gc
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import psutil
import psycopg

from benchmarks import dumps
from benchmarks.servers import Servers, servers
from instrument_registry.records import BrokerRow, Publication, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from instrument_registry.sources.postgres import read_contents

PROJECT = Path(__file__).resolve().parents[1]
MEGABYTE = 1e6
LOOKUPS = 50_000
COLUMNS = (
    "broker", "exchange", "broker_token", "canonical_id", "tradingsymbol", "name", "segment",
    "instrument_type", "isin", "strike", "tick_size_inr", "lot_size", "expiry_date",
)  # fmt: skip
_TABLES = """
    create schema ops; create schema marts;
    create table ops.publications (publication_id bigint, published_at timestamptz,
        as_of_date date);
    create table marts.broker_instruments (
        broker text, exchange text, broker_token text, canonical_id text, tradingsymbol text,
        name text, segment text, instrument_type text, isin text, strike numeric(18, 6),
        tick_size_inr numeric(18, 6), lot_size integer, expiry_date date,
        is_stale boolean default false, primary key (broker, exchange, broker_token));
    create table marts.focus_instruments (canonical_id text primary key);
"""
_PLAIN = """
    select tradingsymbol, broker_token as symboltoken, exchange, instrument_type, name, broker,
        lot_size, tick_size_inr as tick_size, expiry_date as expiry, strike, segment,
        canonical_id as unified_id
    from marts.broker_instruments
"""


class Lines(Protocol):
    """Where figures are printed."""

    def line(self, what: str, value: float, limit: float, told: str) -> None:
        """One figure beside its limit."""

    def note(self, text: str) -> None:
        """A heading."""


def measure(
    table: Lines, server: Servers, dump: Path, rounds: int, only: str | None = None
) -> None:
    """Every figure of the registry, or those of one part."""
    if only in {None, "import"}:
        _imports(table, rounds)
    if only == "import":
        return
    rows = list(_four_brokers(dump))
    database = _filled(server, rows)
    with tempfile.TemporaryDirectory(prefix="iw-registry-") as folder:
        path = Path(folder) / "registry.snapshot"
        snapshot.write_published(database, path)
        if only in {None, "lookups"}:
            _lookups(table, snapshot.read(path), rows, rounds)
        if only in {None, "loading"}:
            del rows
            _loading(table, database, path, rounds)


def _four_brokers(dump: Path) -> Iterator[BrokerRow]:
    with gzip.open(dump, "rt", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield from _spellings(row)


def _spellings(row: dict[str, str]) -> Iterator[BrokerRow]:
    kind, exchange, symbol = row["instrument_type"], row["exchange"], row["tradingsymbol"]
    name = row["name"].strip()
    expiry = date.fromisoformat(row["expiry"]) if row["expiry"] else None
    strike = Decimal(row["strike"]) if kind in {"CE", "PE"} else None
    token = row["exchange_token"]
    angel = dhan = upstox = symbol
    key = f"{exchange}_EQ|INE{int(row['instrument_token']):09d}"
    if expiry is None:
        identity = f"{'INDEX' if row['segment'] == 'INDICES' else exchange}:{symbol.strip()}"
        angel = f"{symbol}-EQ" if exchange == "NSE" else symbol
    else:
        price = "" if strike is None else f"{strike.normalize():f}"
        tail = f"{expiry:%d%b%y}".upper()
        identity = f"{exchange}:{name}:{expiry}:" + (f"{price}:{kind}" if price else "FUT")
        angel = f"{name}{tail}{price}{kind}"
        dhan = f"{name}-{expiry:%d%b%Y}-{price}-{kind}" if price else f"{name}-{expiry:%d%b%Y}-FUT"
        words = f"{price} {kind}" if price else "FUT"
        upstox = f"{name} {words} {f'{expiry:%d %b %y}'.upper()}"
        key = f"{exchange}_FO|{token}"
    common = (
        name, row["segment"], kind, None, strike, Decimal(row["tick_size"]), int(row["lot_size"]),
        expiry,
    )  # fmt: skip
    for broker, number, spelled in (
        ("kite", row["instrument_token"], symbol), ("angel_one", token, angel),
        ("dhan", token, dhan), ("upstox", key, upstox),
    ):  # fmt: skip
        yield BrokerRow(broker, exchange, number, identity, spelled, *common)


def _filled(server: Servers, rows: Sequence[BrokerRow]) -> str:
    database = server.fresh("registry_bench")
    kept = {(row.broker, row.exchange, row.broker_token): row for row in rows}
    focus = [
        row.canonical_id for row in rows
        if row.broker == "kite" and row.expiry_date and row.exchange in {"NFO", "BFO"}
        and row.name in {"NIFTY", "BANKNIFTY", "SENSEX"}
    ][:258]  # fmt: skip
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(_TABLES)
        with cursor.copy(
            f"copy marts.broker_instruments ({', '.join(COLUMNS)}) from stdin"
        ) as copy:
            for row in kept.values():
                copy.write_row([getattr(row, column) for column in COLUMNS])
        cursor.executemany(
            "insert into marts.focus_instruments values (%s)", [(one,) for one in focus]
        )
        cursor.execute(
            "insert into ops.publications values (1, %s, %s)", (datetime.now(UTC), dumps.AS_OF)
        )
    return database


# --- lookups ---


def _lookups(table: Lines, contents: Contents, rows: Sequence[BrokerRow], rounds: int) -> None:
    table.note(
        f"A lookup, against a bare dict lookup and building the same result ({len(rows):,} rows)"
    )
    whole = Registry(contents)
    focus = Registry(contents, RegistryType.INTRADAY_FOCUS)
    del contents
    gc.collect()
    own = whole._state.books["zerodha"].symbols  # noqa: SLF001 - to ask for what resolves
    plain = {symbol: (*row[:5], *row[5]) for symbol, row in own.items()}
    generator = random.Random(1)
    asked = generator.choices(list(own), k=LOOKUPS)
    few = generator.choices(list(focus._state.books["zerodha"].symbols), k=LOOKUPS)  # noqa: SLF001
    ids = [own[symbol][2] for symbol in asked]
    took: dict[str, list[float]] = {}
    works: dict[str, Callable[[], object]] = {
        "bare": lambda: _bare(plain, asked),
        "bare few": lambda: _bare(plain, few),
        "registry": lambda: _resolve(whole, asked),
        "few in focus": lambda: _resolve(focus, few),
        "few in whole": lambda: _resolve(whole, few),
        "by id": lambda: _resolve(whole, ids),
    }
    for _ in range(rounds * 3):
        for name, work in works.items():
            took.setdefault(name, []).append(_seconds(work) / LOOKUPS * 1e9)
    best = {name: min(times) for name, times in took.items()}
    told = f"{best['registry']:.0f} ns of {best['bare']:.0f} ns"
    table.line("resolve_for_broker", best["registry"] / best["bare"], 2.5, told)
    told = f"{best['few in focus']:.0f} ns of {best['few in whole']:.0f} ns, the same symbols"
    table.line("INTRADAY_FOCUS", best["few in focus"] / best["few in whole"], 1.05, told)
    told = f"{best['by id']:.0f} ns"
    table.line("by canonical id", best["by id"] / best["bare"], 25, told)
    p99 = min(_percentile(whole, asked) for _ in range(rounds))
    table.line("p99, microseconds of 10", p99 / 10_000, 1.0, f"{p99 / 1000:.2f} microseconds")
    tracemalloc.start()
    again = Registry(snapshot_of(focus), RegistryType.COMPREHENSIVE)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    told = f"{held / MEGABYTE:.2f} MB, {len(again):,} rows"
    table.line("INTRADAY_FOCUS, MB of 5", held / MEGABYTE / 5, 1.0, told)


def snapshot_of(registry: Registry) -> Contents:
    """The rows of a registry again, every text a new object."""
    found = [
        BrokerRow(
            book.broker + "", row[5][0], row[1][:1] + row[1][1:], row[2], row[0][:1] + row[0][1:],
            row[5][2], row[5][1], row[4], None, Decimal(str(row[3])) if row[3] else None,
            Decimal(str(row[5][5])), row[5][4], date.fromisoformat(row[5][6]),
        )
        for book in registry._state.books.values()  # noqa: SLF001 - to copy it
        for row in book.ids.values()
    ]  # fmt: skip
    return Contents.of(found, Publication())


def _bare(plain: dict[str, tuple[Any, ...]], asked: Sequence[str]) -> None:
    for symbol in asked:
        row = plain[symbol]
        _ = {
            "tradingsymbol": row[0], "symboltoken": row[1], "exchange": row[5],
            "instrument_type": row[4], "name": row[7], "broker": row[8], "lot_size": row[9],
            "tick_size": row[10], "expiry": row[11], "strike": row[3], "segment": row[6],
            "unified_id": row[2],
        }  # fmt: skip


def _resolve(registry: Registry, asked: Sequence[str]) -> None:
    resolve = registry.resolve_for_broker
    for symbol in asked:
        resolve(symbol, "zerodha")


def _percentile(registry: Registry, asked: Sequence[str]) -> int:
    resolve, clock = registry.resolve_for_broker, time.perf_counter_ns
    times = []
    for symbol in asked:
        begun = clock()
        resolve(symbol, "zerodha")
        times.append(clock() - begun)
    return sorted(times)[len(times) * 99 // 100]


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


# --- loading and memory: each in a process of its own ---


def _loading(table: Lines, database: str, path: Path, rounds: int) -> None:
    table.note("Loading and memory, against PostgreSQL row by row into a dict of dicts")
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for way, where in (("plain", database), ("snapshot", str(path)), ("postgres", database)):
            found.setdefault(way, []).append(_in_process(way, where))
    seconds = {way: min(one[0] for one in runs) for way, runs in found.items()}
    held = {way: statistics.median(one[1] for one in runs) for way, runs in found.items()}
    for way, limit in (("snapshot", 0.25), ("postgres", 1.0)):
        told = f"{seconds[way]:.2f} s of {seconds['plain']:.2f} s"
        table.line(f"loading, {way}", seconds[way] / seconds["plain"], limit, told)
    told = f"{held['snapshot'] / MEGABYTE:.0f} MB of {held['plain'] / MEGABYTE:.0f} MB"
    table.line("memory", held["snapshot"] / held["plain"], 0.35, told)
    told = f"{path.stat().st_size / MEGABYTE:.1f} MB on disk"
    table.line("snapshot file, MB of 100", path.stat().st_size / MEGABYTE / 100, 1.0, told)


def _in_process(way: str, where: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.registry", "--load", way, where],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds, held = json.loads(done.stdout)
    return seconds, held


def _load(way: str, where: str) -> None:
    """Load in this process; print seconds, and bytes that the process holds for it."""
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    begun = time.perf_counter()
    if way == "plain":
        loaded: object = _plain_dicts(where)
    else:
        loaded = Registry(snapshot.read(where) if way == "snapshot" else read_contents(where))
    seconds = time.perf_counter() - begun
    gc.collect()
    print(json.dumps([seconds, process.memory_info().rss - before]))
    assert loaded


def _plain_dicts(database: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    with psycopg.connect(database) as connection:
        cursor = connection.execute(_PLAIN)
        names = [column.name for column in cursor.description or ()]
        for values in cursor:
            row = dict(zip(names, values, strict=True))
            found[f"{row['broker']}:{row['exchange']}:{row['tradingsymbol']}"] = row
    return found


# --- import ---


def _imports(table: Lines, rounds: int) -> None:
    table.note("Importing the package, against importing pandas (bytecode at hand for both)")
    # Compiled as an installation is, not into the checkout.
    with tempfile.TemporaryDirectory(prefix="iw-bytecode-") as folder:
        took: dict[str, list[float]] = {}
        for _ in range(max(rounds, 3) * 3):
            for code in ("pass", "from instrument_registry import get_registry", "import pandas"):
                took.setdefault(code, []).append(_process_seconds(code, folder))
    bare, ours, pandas = (min(times[1:]) for times in took.values())
    told = f"{(ours - bare) * 1000:.0f} ms of {(pandas - bare) * 1000:.0f} ms"
    table.line("import", (ours - bare) / (pandas - bare), 0.15, told)


def _process_seconds(code: str, bytecode: str) -> float:
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPYCACHEPREFIX": bytecode,
    }
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, check=True)
    return time.perf_counter() - begun


def main() -> int:
    """Print every figure; 1 if one is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("lookups", "loading", "import"))
    parser.add_argument("--load", nargs=2, metavar=("WAY", "WHERE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        _load(*options.load)
        return 0
    from benchmarks.__main__ import Table  # noqa: PLC0415 - it imports this module's kin

    table = Table()
    with servers() as server:
        measure(table, server, dumps.REAL, options.rounds, options.only)
    return 0 if table.is_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
