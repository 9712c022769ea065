"""Nasty inputs as twin folders: what a dump holds, and the rows or the refusal that must come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from loader.errors import DumpRefused
from loader.feeds import FEEDS, Feed
from loader.fetch import Dump
from loader.landing import Load

CASES = sorted((Path(__file__).parent / "cases").glob("*/*"))
IDS = [f"{case.parent.name}-{case.name}" for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_case(
    case: Path,
    get: Callable[..., Dump],
    put: Callable[..., Load],
    database: psycopg.Connection,
) -> None:
    expect = yaml.safe_load((case / "expect.yaml").read_text(encoding="utf-8"))
    feed = FEEDS[case.parent.name]
    (dump,) = case.glob("input.*")
    if "refused" in expect:
        with pytest.raises(DumpRefused) as refusal:
            put(get(dump, feed), feed=feed)
        assert expect["refused"] in str(refusal.value)
        return
    load = put(get(dump, feed), feed=feed)
    rows = _staged(database, feed)
    wanted = expect.get("rows") or expect["lengths"]
    assert load.rows == len(rows) == len(wanted)
    if "lengths" in expect:
        rows = [{name: _size(value) for name, value in row.items()} for row in rows]
    for row, want in zip(rows, wanted, strict=True):
        assert {name: row[name] for name in want} == {k: _as_staged(v) for k, v in want.items()}
    assert list(load.extra_columns) == expect.get("extra_columns", [])
    if "warnings" in expect:
        assert list(load.warnings) == expect["warnings"]
    else:
        assert len(load.warnings) == len(load.extra_columns)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_case_says_what_it_is_about(case: Path) -> None:
    expect = yaml.safe_load((case / "expect.yaml").read_text(encoding="utf-8"))
    assert expect["about"].endswith(".")
    assert len({"rows", "lengths", "refused"} & expect.keys()) == 1


def test_every_feed_has_cases() -> None:
    assert {case.parent.name for case in CASES} == set(FEEDS)


def _staged(database: psycopg.Connection, feed: Feed) -> list[dict[str, Any]]:
    cursor = database.cursor(row_factory=dict_row)
    rows = cursor.execute(f"select * from staging.{feed.table} order by _line_number").fetchall()
    database.commit()
    return rows


def _size(value: object) -> object:
    return len(value) if isinstance(value, str) else value


def _as_staged(value: object) -> object:
    # YAML reads an unquoted date as one.
    return value if isinstance(value, int | str) else str(value)
