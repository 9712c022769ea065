"""The real dumps of the other brokers land row for row, at about the speed of a bare COPY."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from loader.feeds import FEEDS, Feed
from loader.fetch import Dump
from loader.landing import Load

pytestmark = pytest.mark.real_dumps

Get = Callable[..., Dump]
Put = Callable[..., Load]

DUMPS = {
    "angel_one/2025-10-28_OpenAPIScripMaster.json.gz": 160_161,
    "dhan/2026-02-10_api-scrip-master.csv.gz": 273_027,
    "upstox/2026-08-17_complete.json.gz": 125_004,
    "upstox/2026-02-05_complete.csv.gz": 204_218,
}


def feed_of(name: str) -> Feed:
    return FEEDS[name.partition("/")[0]]


def as_text(value: object) -> str:
    """What staging holds for a value that Python's json read with its numbers as text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def wanted_rows(path: Path, feed: Feed) -> Iterator[tuple[object, ...]]:
    """Number and fields of each row, by another way than the loader's."""
    text = gzip.decompress(path.read_bytes()).decode()
    if path.name.endswith(".json.gz"):
        objects = json.loads(text, parse_int=str, parse_float=str)
        for number, row in enumerate(objects, start=1):
            yield (number, *(as_text(row.get(column)) for column in feed.columns))
        return
    for number, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), start=2):
        low = {name.lower(): value for name, value in row.items()}
        yield (number, *(low.get(column, "") for column in feed.columns))


@pytest.mark.parametrize("name", DUMPS)
def test_every_row_of_a_real_dump_lands_as_it_stands(
    real_dumps: Path, get: Get, put: Put, database: psycopg.Connection, name: str
) -> None:
    feed = feed_of(name)
    dump = get(real_dumps / name, feed)
    load = put(dump, feed=feed)
    assert load.rows == DUMPS[name]
    assert load.warnings == ()
    assert dump.path.suffixes == Path(name).suffixes[-2:]
    columns = ", ".join(feed.columns)
    with database.cursor(name="staged") as cursor:
        cursor.itersize = 20_000
        cursor.execute(
            f"select _line_number, {columns} from staging.{feed.table} order by _line_number"
        )
        for seen, want in zip(cursor, wanted_rows(real_dumps / name, feed), strict=True):
            assert seen == want


MEMORY = """
import re, sys
from datetime import UTC, date, datetime
from pathlib import Path
import psycopg
from loader.feeds import FEEDS
from loader.fetch import Dump
from loader.landing import ensure_schema, land
dsn, feed, path, sha256, size = sys.argv[1:]
now = lambda: datetime.now(UTC)
told = lambda: dict(re.findall(r"(Vm\\w+):\\s+(\\d+) kB", Path("/proc/self/status").read_text()))
with psycopg.connect(dsn) as connection:
    ensure_schema(connection)
    dump = Dump(feed, Path(path), "file", sha256, int(size))
    before = int(told()["VmRSS"])
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    land(connection, dump, FEEDS[feed], as_of=date(2026, 8, 17), started_at=now(), now=now)
print(int(told()["VmHWM"]) - before)
"""


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak in /proc"
)
@pytest.mark.parametrize("name", DUMPS)
def test_landing_holds_a_fraction_of_the_dump_in_memory(
    real_dumps: Path, get: Get, postgres_dsn: str, project: Path, name: str
) -> None:
    feed = feed_of(name)
    dump = get(real_dumps / name, feed)
    done = subprocess.run(
        [
            sys.executable, "-c", MEMORY, postgres_dsn, feed.name, str(dump.path), dump.sha256,
            str(dump.size),
        ],
        cwd=project, capture_output=True, text=True, check=True,
    )  # fmt: skip
    peak = int(done.stdout) * 1024
    assert peak > 0
    assert peak < dump.size, f"{peak / 1e6:.1f} MB for a dump of {dump.size / 1e6:.1f} MB"
    assert peak < 16_000_000, f"{peak / 1e6:.1f} MB"
