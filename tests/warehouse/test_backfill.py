from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from warehouse.backfill import Day, find_days, plan_backfill
from warehouse.errors import UsageError

MONDAY, TUESDAY, WEDNESDAY = date(2026, 8, 17), date(2026, 8, 18), date(2026, 8, 19)


def put(path: Path, written: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (written, written))
    return path


def test_days_are_told_by_names_and_by_folders(tmp_path: Path) -> None:
    named = put(tmp_path / "2026-08-18_instruments.csv.gz")
    landed = put(tmp_path / "kite" / "2026-08-17" / "0a1b.csv.gz")
    other = put(tmp_path / "dhan" / "2026-08-17" / "0a1b.csv.gz")
    put(tmp_path / "kite" / "2026-08-17" / ".incoming-1.part")
    put(tmp_path / "upstox" / "2026-08-17" / "0a1b.json.gz")
    put(tmp_path / "notes.csv")
    put(tmp_path / "2026-13-45.csv")
    assert find_days(tmp_path, ("kite", "dhan")) == (
        Day(MONDAY, {"kite": landed, "dhan": other}),
        Day(TUESDAY, {"kite": named}),
    )


def test_of_two_dumps_of_a_day_the_one_written_last_counts(tmp_path: Path) -> None:
    put(tmp_path / "2026-08-17" / "b.csv", written=20)
    last = put(tmp_path / "2026-08-17" / "a.csv", written=30)
    put(tmp_path / "2026-08-17" / "c.csv", written=10)
    assert [day.kite for day in find_days(tmp_path, ("kite",))] == [last]


def test_a_folder_without_a_dated_dump_of_kite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no dated dump"):
        find_days(tmp_path, ("kite",))
    with pytest.raises(UsageError, match="is not a folder"):
        find_days(tmp_path / "none", ("kite",))
    put(tmp_path / "dhan" / "2026-08-17" / "a.csv")
    with pytest.raises(UsageError, match="Of 2026-08-17 there is no dump of Kite"):
        find_days(tmp_path, ("kite", "dhan"))


def test_what_is_published_is_left_out_and_nothing_goes_before_it() -> None:
    days = tuple(Day(day, {}) for day in (MONDAY, TUESDAY, WEDNESDAY))
    assert plan_backfill(days, ()).days == days
    plan = plan_backfill(days, (MONDAY, TUESDAY))
    assert (plan.days, plan.published) == (days[2:], (MONDAY, TUESDAY))
    with pytest.raises(UsageError, match="2026-08-17 cannot go before it"):
        plan_backfill(days, (TUESDAY,))
