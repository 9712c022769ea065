from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import psycopg
import pytest

from exporters.schema import ensure_schema
from warehouse.backfill import Day, find_days, plan_backfill, within
from warehouse.errors import UsageError
from warehouse.publications import believed_days

MONDAY, TUESDAY, WEDNESDAY = date(2026, 8, 17), date(2026, 8, 18), date(2026, 8, 19)


def put(path: Path, written: int = 1, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
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
    folder = tmp_path / "2026-08-17"
    earlier = put(folder / "b.csv", written=20, text="other")
    put(folder / "d.csv", written=20)
    last = put(folder / "a.csv", written=30)
    put(folder / "c.csv", written=10)
    # The same bytes again are left out without a word.
    assert find_days(tmp_path, ("kite",)) == (Day(MONDAY, {"kite": last}, (earlier,)),)


def test_of_two_dumps_of_a_day_and_an_instant_none_is_taken(tmp_path: Path) -> None:
    put(tmp_path / "2026-08-17" / "a.csv")
    put(tmp_path / "2026-08-17" / "b.csv")
    assert len(find_days(tmp_path, ("kite",))) == 1
    put(tmp_path / "2026-08-17" / "b.csv", text="other")
    with pytest.raises(UsageError, match="two dumps of Kite that differ") as refused:
        find_days(tmp_path, ("kite",))
    assert "b.csv" in str(refused.value)


def test_a_folder_without_a_dated_dump_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no dated dump"):
        find_days(tmp_path, ("kite",))
    with pytest.raises(UsageError, match="is not a folder"):
        find_days(tmp_path / "none", ("kite",))


def test_a_day_may_lack_a_broker_but_the_first_of_all_not_kite(tmp_path: Path) -> None:
    dhan = put(tmp_path / "dhan" / "2026-08-17" / "a.csv")
    kite = put(tmp_path / "kite" / "2026-08-18" / "a.csv")
    days = find_days(tmp_path, ("kite", "dhan"))
    assert [day.sources(("kite", "dhan")) for day in days] == [
        {"kite": None, "dhan": str(dhan)},
        {"kite": str(kite), "dhan": None},
    ]
    with pytest.raises(UsageError, match="Of 2026-08-17 there is no dump of Kite"):
        plan_backfill(days, days, ())
    assert plan_backfill(days[1:], days, ()).days == days[1:]
    # What was published before it stands in for Kite.
    assert plan_backfill(days, days, (date(2026, 8, 14),)).days == days


def test_a_span_of_days_may_be_asked_for() -> None:
    days = tuple(Day(day, {}) for day in (MONDAY, TUESDAY, WEDNESDAY))
    assert within(days, None, None) == days
    assert within(days, TUESDAY, None) == days[1:]
    assert within(days, None, TUESDAY) == days[:2]
    with pytest.raises(UsageError, match="its days are 2026-08-17, 2026-08-18, 2026-08-19"):
        within(days, date(2026, 8, 20), None)


def test_days_go_after_what_is_published_and_before_it_but_not_between() -> None:
    days = tuple(Day(day, {"kite": Path(f"{day}.csv")}) for day in (MONDAY, TUESDAY, WEDNESDAY))
    assert plan_backfill(days, days, ()).days == days
    plan = plan_backfill(days, days, (MONDAY, TUESDAY))
    assert (plan.earlier, plan.published, plan.days) == ((), days[:2], days[2:])
    plan = plan_backfill(days, days, (TUESDAY,))
    assert (plan.earlier, plan.published, plan.days) == (days[:1], days[1:2], days[2:])
    # The first published day's dumps are at hand, though that day is not asked for.
    plan = plan_backfill(days[:1], days, (TUESDAY,))
    assert (plan.earlier, plan.days) == (days[:1], ())
    assert plan.at_hand(TUESDAY) == (Path("2026-08-18.csv"),)
    with pytest.raises(UsageError, match="without 2026-08-18") as refused:
        plan_backfill(days, days, (MONDAY, WEDNESDAY))
    assert "`--until 2026-08-17` for those before" in str(refused.value)
    no_kite = (Day(MONDAY, {"dhan": Path("a.csv")}), *days[1:])
    with pytest.raises(UsageError, match="Of 2026-08-17 there is no dump of Kite"):
        plan_backfill(no_kite, no_kite, (TUESDAY,))


def test_days_that_a_rollback_took_back_are_held_no_more(connection: psycopg.Connection) -> None:
    ensure_schema(connection)
    assert believed_days(connection) == frozenset()

    def publish(number: int, day: date, rollback_of: int | None = None) -> frozenset[date]:
        connection.execute(
            "insert into ops.publications (publication_id, published_at, as_of_date, filter,"
            " fingerprint, rollback_of) values (%s, now(), %s, 'nifty', 'f', %s)",
            [number, day, rollback_of],
        )
        return believed_days(connection)

    publish(1, MONDAY)
    publish(2, TUESDAY)
    assert publish(3, WEDNESDAY) == {MONDAY, TUESDAY, WEDNESDAY}
    assert publish(4, MONDAY, rollback_of=1) == {MONDAY}
    assert publish(5, WEDNESDAY, rollback_of=3) == {MONDAY, TUESDAY, WEDNESDAY}
    assert publish(6, TUESDAY, rollback_of=2) == {MONDAY, TUESDAY}
