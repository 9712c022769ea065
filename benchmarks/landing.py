"""Landing, against a bare COPY of the same uncompressed file into one table of text columns."""

from __future__ import annotations

import gzip
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psycopg

from benchmarks import dumps
from benchmarks.servers import Servers
from loader.feeds import KITE
from loader.fetch import FetchOptions, fetch
from loader.landing import ensure_schema, land

ROUNDS_EACH = 5


class Lines(Protocol):
    """Where figures are printed."""

    def line(self, what: str, value: float, limit: float, told: str) -> None:
        """One figure beside its limit."""

    def note(self, text: str) -> None:
        """A heading."""


def measure(table: Lines, server: Servers, dump: Path, repeat: int) -> None:
    """Both in turn, on one connection, the median of all rounds."""
    table.note("Landing, archived file to committed rows, against a bare COPY of the plain file")
    server.fresh("landing_bench")
    plain = gzip.decompress(dump.read_bytes())
    fetched = fetch(
        str(dump), KITE, as_of=dumps.AS_OF, landing=server.home / "landing", options=FetchOptions()
    )
    bare, landed = [], []
    with server.connect("landing_bench") as connection:
        ensure_schema(connection)
        columns = ", ".join(f"{name} text" for name in KITE.columns)
        connection.execute(f"create table bare ({columns})")
        connection.commit()
        for _ in range(repeat * ROUNDS_EACH):
            bare.append(_bare_copy(connection, plain))
            started = time.perf_counter()
            land(
                connection,
                fetched,
                KITE,
                as_of=dumps.AS_OF,
                started_at=datetime.now(UTC),
                now=lambda: datetime.now(UTC),
            )
            landed.append(time.perf_counter() - started)
    told = f"{statistics.median(landed):.3f} s of {statistics.median(bare):.3f} s"
    table.line("landing", statistics.median(landed) / statistics.median(bare), 2.0, told)


def _bare_copy(connection: psycopg.Connection, plain: bytes) -> float:
    connection.execute("truncate bare")
    connection.commit()
    started = time.perf_counter()
    with connection.cursor().copy("copy bare from stdin (format csv, header)") as copy:
        for at in range(0, len(plain), 1 << 18):
            copy.write(plain[at : at + (1 << 18)])
    connection.commit()
    return time.perf_counter() - started
