"""Real dumps land row for row, and at about the speed of a bare COPY."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loader.feeds import KITE
from loader.fetch import Dump
from loader.landing import Load

pytestmark = pytest.mark.real_dumps

ROWS = {
    "2026-08-17_instruments.csv.gz": 125_581,
    "2025-11-25_nfo.csv.gz": 38_752,
    "2026-07-30_nse.csv.gz": 9_985,
}


@pytest.mark.parametrize("name", ROWS)
def test_every_row_of_a_real_dump_lands_as_it_stands(
    real_dumps: Path,
    get: Callable[..., Dump],
    put: Callable[..., Load],
    database: psycopg.Connection,
    name: str,
) -> None:
    path = real_dumps / "kite" / name
    load = put(get(path))
    text = gzip.decompress(path.read_bytes()).decode()
    wanted = [
        (load.load_id, line, *(row[column] for column in KITE.columns))
        for line, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), start=2)
    ]
    assert load.rows == len(wanted) == ROWS[name]
    assert load.warnings == ()
    assert _staged(database) == wanted


def _staged(database: psycopg.Connection) -> list[tuple[Any, ...]]:
    return database.execute(
        "select * from staging.kite_instruments order by _line_number"
    ).fetchall()


def test_quoting_every_name_lands_the_same_rows(
    kite_dump: Path,
    tmp_path: Path,
    get: Callable[..., Dump],
    put: Callable[..., Load],
    database: psycopg.Connection,
) -> None:
    put(get(kite_dump))
    plain = [row[1:] for row in _staged(database)]
    database.commit()
    rows = csv.reader(io.StringIO(gzip.decompress(kite_dump.read_bytes()).decode(), newline=""))
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    (tmp_path / "quoted.csv").write_text(out.getvalue(), newline="")
    put(get(tmp_path / "quoted.csv"))
    assert [row[1:] for row in _staged(database)] == plain
