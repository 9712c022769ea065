"""Landing, against a bare COPY of the same rows into one table of the same text columns."""

from __future__ import annotations

import gzip
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psycopg

from benchmarks import dumps
from benchmarks.servers import Servers
from loader.feeds import FEEDS, KITE, Feed
from loader.fetch import Dump, FetchOptions, fetch
from loader.landing import ensure_schema, land

ROUNDS_EACH = 5
# Below `shared/data`; the folder is the feed's name.
FEED_DUMPS = (
    "kite/2026-08-17_instruments.csv.gz",
    "angel_one/2025-10-28_OpenAPIScripMaster.json.gz",
    "dhan/2026-02-10_api-scrip-master.csv.gz",
    "upstox/2026-08-17_complete.json.gz",
)
# A second form of a feed, which its broker no longer serves: for orientation.
OLDER_DUMP = "upstox/2026-02-05_complete.csv.gz"
_PIECE = 1 << 18


class Lines(Protocol):
    """Where figures are printed."""

    def line(self, what: str, value: float, limit: float, told: str) -> None:
        """One figure beside its limit."""

    def note(self, text: str) -> None:
        """A heading."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Seconds of both ways, a round each."""

    landed: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    def medians(self) -> tuple[float, float]:
        return statistics.median(self.landed), statistics.median(self.bare)


def measure(table: Lines, server: Servers, dump: Path, repeat: int) -> None:
    """Kite: both in turn, on one connection, the median of all rounds."""
    table.note("Landing, archived file to committed rows, against a bare COPY of the plain file")
    server.fresh("landing_bench")
    plain = gzip.decompress(dump.read_bytes())
    with server.connect("landing_bench") as connection:
        ensure_schema(connection)
        fetched = _fetched(server, dump, KITE)
        pair = _Pair()
        for _ in range(repeat * ROUNDS_EACH):
            pair.bare.append(_bare_copy(connection, KITE, plain, "format csv, header"))
            pair.landed.append(_landed(connection, fetched, KITE))
    landed, bare = pair.medians()
    table.line("landing", landed / bare, 2.0, f"{landed:.3f} s of {bare:.3f} s")


def measure_feeds(table: Lines, server: Servers, repeat: int) -> None:
    """All brokers' dumps: each for orientation, all together against the promise.

    A dump in JSON has no plain file that COPY takes: its rows are copied out of staging first.
    """
    table.note("Landing every feed, against bare COPYs of the same rows as text")
    server.fresh("landing_bench")
    landed_sum = bare_sum = 0.0
    with server.connect("landing_bench") as connection:
        ensure_schema(connection)
        for name in (*FEED_DUMPS, OLDER_DUMP):
            feed = FEEDS[name.partition("/")[0]]
            fetched = _fetched(server, dumps.REAL.parents[1] / name, feed)
            pair = _Pair()
            _landed(connection, fetched, feed)
            plain = _copied_out(connection, feed)
            for _ in range(repeat):
                pair.bare.append(_bare_copy(connection, feed, plain, "format text"))
                pair.landed.append(_landed(connection, fetched, feed))
            landed, bare = pair.medians()
            if name != OLDER_DUMP:
                landed_sum, bare_sum = landed_sum + landed, bare_sum + bare
            told = f"{landed:.3f} s of {bare:.3f} s"
            form = "JSON" if fetched.path.name.endswith(".json.gz") else "CSV"
            limit = 5.0 if form == "JSON" else 2.0
            table.line(f"{feed.title}, {form}", landed / bare, limit, told)
    told = f"{landed_sum:.3f} s of {bare_sum:.3f} s"
    table.line("all four together", landed_sum / bare_sum, 2.5, told)


def _fetched(server: Servers, dump: Path, feed: Feed) -> Dump:
    return fetch(
        str(dump), feed, as_of=dumps.AS_OF, landing=server.home / "landing", options=FetchOptions()
    )


def _landed(connection: psycopg.Connection, dump: Dump, feed: Feed) -> float:
    def now() -> datetime:
        return datetime.now(UTC)

    return _seconds(
        lambda: land(connection, dump, feed, as_of=dumps.AS_OF, started_at=now(), now=now)
    )


def _copied_out(connection: psycopg.Connection, feed: Feed) -> bytes:
    columns = ", ".join(feed.columns)
    with connection.cursor().copy(f"copy staging.{feed.table} ({columns}) to stdout") as copy:
        data = b"".join(bytes(piece) for piece in copy)
    connection.commit()
    return data


def _bare_copy(connection: psycopg.Connection, feed: Feed, plain: bytes, how: str) -> float:
    columns = ", ".join(f"{name} text" for name in feed.columns)
    connection.execute("drop table if exists bare")
    connection.execute(f"create table bare ({columns})")
    connection.commit()

    def work() -> None:
        with connection.cursor().copy(f"copy bare from stdin ({how})") as copy:
            for at in range(0, len(plain), _PIECE):
                copy.write(plain[at : at + _PIECE])
        connection.commit()

    return _seconds(work)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
