"""History from the command line: backfill, lookup, changes, and what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end import dumps, feeds
from tests.end_to_end.conftest import Published
from tests.history_invariants import believed, violations
from tests.installation import Installation
from tests.loader.broker import reply, serving

NOWHERE = "http://localhost:9/dump"
TWO_FEEDS = {"FEEDS": "kite,dhan", "FETCH_ATTEMPTS": "1"}
# History but for the instants at which it was written.
CONTENT = tuple(
    f"select to_jsonb(h) - array['recorded_at'] from history.{name} as h order by 1"
    for name in ("instrument_versions", "broker_instrument_versions", "instrument_events")
)

NUMBERS = "select canonical_id, instrument_id from history.current_instruments order by 1"


def history(at: Installation) -> list[Any]:
    with psycopg.connect(at.database_url) as connection:
        assert violations(connection) == {}
    return [at.execute(query) for query in CONTENT]


def days(published: Published, folder: Path) -> dict[str, dict[str, Path]]:
    """A folder of three days, one dated by its name and two by their folders: what it holds.

    On the second Dhan was down.
    """
    changed = dumps.next_day(published.next_rows)
    first = dumps.write_dump(folder / "2026-08-17_instruments.csv", published.rows)
    second = dumps.write_dump(folder / "kite" / "2026-08-18" / "a.csv", published.next_rows)
    third = dumps.write_dump(folder / "kite" / "2026-08-19" / "b.csv", changed)
    for day in ("2026-08-17", "2026-08-19"):
        (folder / "dhan" / day).mkdir(parents=True)
    return {
        "2026-08-17": {
            "kite": first,
            "dhan": feeds.dhan(folder / "dhan" / "2026-08-17" / "a.csv", published.rows),
        },
        "2026-08-18": {"kite": second},
        "2026-08-19": {
            "kite": third,
            "dhan": feeds.dhan(folder / "dhan" / "2026-08-19" / "a.csv", changed[:-100]),
        },
    }


def sync_day(at: Installation, day: str, files: dict[str, Path]) -> None:
    """As it was run that day: a feed without a dump was down."""
    dhan = str(files.get("dhan", NOWHERE))
    at.sync(files["kite"], AS_OF=day, DHAN_SOURCE=dhan, **TWO_FEEDS).ok()


@pytest.mark.exhaustive
def test_a_backfill_is_what_daily_syncs_would_have_been(
    published: Published, tmp_path: Path
) -> None:
    at, folder, told = published.at, tmp_path / "days", dict(TWO_FEEDS)
    at.wipe()
    for day, files in days(published, folder).items():
        sync_day(at, day, files)
    daily, seen = history(at), at.seen()
    assert {event["broker"] for (event,) in daily[-1]} == {None, "kite", "dhan"}
    at.wipe()
    with serving() as broker:
        told["DHAN_INSTRUMENTS_URL"] = broker.answer(reply())
        at.run("backfill", str(folder), **told).ok()
        assert history(at) == daily
        assert at.seen().is_like(seen) or at.seen().differing(seen) == ["dotenv"]
        again = at.run("backfill", str(folder), "--json", **told).ok().document
        assert (again["published"], len(again["skipped"])) == ([], 3)
        # One more day.
        dumps.write_dump(folder / "2026-08-20.csv", published.rows)
        at.run("backfill", str(folder), **told).ok()
        assert broker.requests == []
    assert at.execute("select max(as_of_date)::text from ops.publications") == [("2026-08-20",)]
    # A day that would have to go between two.
    dumps.write_dump(folder / "2026-08-21.csv", published.rows)
    at.sync(folder / "2026-08-21.csv", AS_OF="2026-08-24").ok()
    refused = at.run("backfill", str(folder), **told)
    assert refused.code == 2
    assert "without 2026-08-21" in refused.err


@pytest.mark.exhaustive
def test_days_before_the_first_published_one_are_what_daily_syncs_would_have_been(
    published: Published, tmp_path: Path
) -> None:
    at, folder = published.at, tmp_path / "days"
    at.wipe()
    found = days(published, folder)
    for day, files in found.items():
        sync_day(at, day, files)
    with psycopg.connect(at.database_url) as connection:
        daily = believed(connection)
    at.wipe()
    last = max(found)
    sync_day(at, last, found[last])
    at.run("backfill", str(folder), **TWO_FEEDS).ok()
    with psycopg.connect(at.database_url) as connection:
        assert believed(connection) == daily


def test_a_backfill_asks_no_broker_for_what_its_folder_lacks(
    published: Published, tmp_path: Path
) -> None:
    """Today's dump is not that day's: the feed is missing, as it was."""
    at = published.at
    dumps.write_dump(tmp_path / "days" / "2026-08-18.csv", published.next_rows)
    with serving() as broker:
        told = {"FEEDS": "kite,dhan", "DHAN_INSTRUMENTS_URL": broker.answer(reply())}
        planned = at.run("backfill", str(tmp_path / "days"), "--dry-run", **told).ok()
        assert "2026-08-18  dhan       no dump\nDays to publish: 1;" in planned.out
        done = at.run("backfill", str(tmp_path / "days"), **told).ok()
        assert broker.requests == []
    assert "there is no dump of Dhan of 2026-08-18" in done.out
    assert at.execute("select distinct broker from marts.broker_instruments") == [("kite",)]


def test_days_before_the_first_published_one_go_into_the_history_alone(
    published: Published, tmp_path: Path
) -> None:
    at = published.at
    share = [row for row in published.rows if row["segment"] == "NSE" and row["name"]][20]
    token, name = int(share["instrument_token"]), f"NSE:{share['tradingsymbol']}"
    at.execute("update public.instruments set is_active = true where instrument_token = %s", token)
    at.execute("create view public.theirs as select * from history.instrument_versions")
    before, numbers = at.seen(), at.execute(NUMBERS)
    folder = tmp_path / "days"
    rows = [row for row in published.rows if row != share]
    dumps.write_dump(folder / "2026-08-13.csv", published.rows)
    dumps.write_dump(folder / "2026-08-14.csv", rows)
    planned = at.run("backfill", str(folder), "--dry-run").ok().out
    assert "Days to put before the first published one: 2.\nDays to publish: 0;" in planned
    # It dies with the second day beside, and goes on with that one.
    running = at.start("backfill", str(folder))
    running.wait_for("day 2 of 3 beside: 2026-08-14")
    running.kill()
    assert at.seen().differing(before) == []
    done = at.run("backfill", str(folder)).ok()
    assert "day 1 of 3" not in done.out
    assert "2 days put before the history" in done.out
    # The hand change is captured by the next sync, as ever.
    assert at.seen().differing(before) == []
    assert at.execute(NUMBERS) == numbers
    history(at)
    events = at.run("lookup", name, "--at", "2026-08-13", "--json").ok().document["events"]
    assert [(one["event"], one["as_of_date"]) for one in events] == [
        ("delisted", "2026-08-14"), ("relisted", "2026-08-17"),
    ]  # fmt: skip
    assert at.execute("select min(valid_from)::text from public.theirs") == [("2026-08-13",)]
    again = at.run("backfill", str(folder), "--json").ok().document
    assert (again["earlier"], again["skipped"]) == (None, ["2026-08-13", "2026-08-14"])
    at.sync(published.next_dump, AS_OF="2026-08-18").ok()
    assert token in at.seen().active
    at.run("rollback").ok()
    history(at)
    assert not list(at.home.glob("backfill"))
    assert at.execute("select count(*) from pg_database where datname like '%%_backfill'") == [(0,)]


def test_days_before_the_first_published_one_are_whole_and_need_its_dump(
    published: Published, tmp_path: Path
) -> None:
    at, folder = published.at, tmp_path / "days"
    dumps.write_dump(folder / "2026-08-14.csv", published.rows)
    dump = folder / "2026-08-14.csv"
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-9])
    before = at.seen()
    broken = at.run("backfill", str(folder))
    assert (broken.code, "2026-08-14.csv: the dump was cut short" in broken.err) == (1, True)
    assert "This was built beside: consumers see what they saw." in broken.err
    assert at.seen().differing(before) == []
    dump.write_bytes(whole)
    (archived,) = at.home.glob("landing/kite/2026-08-17/*.csv.gz")
    archived.unlink()
    refused = at.run("backfill", str(folder))
    assert (refused.code, f"uncompressed bytes: {archived.name[:64]}" in refused.err) == (2, True)
    assert "Nothing was started" in refused.err


def test_lookup_and_changes_answer_by_day(published: Published) -> None:
    at = published.at
    at.sync(published.next_dump, AS_OF="2026-08-18").ok()
    shares = [row for row in published.rows if row["segment"] == "NSE" and row["name"]]
    renamed, company = shares[5], shares[6]
    symbol = renamed["tradingsymbol"]
    then = at.run("lookup", f"NSE:{symbol}", "--at", "2026-08-17", "--json").ok().document
    now = at.run("lookup", f"NSE:{symbol}X", "--json").ok().document
    assert then["instrument"]["instrument_id"] == now["instrument"]["instrument_id"]
    assert [version["tradingsymbol"] for version in now["versions"]] == [symbol, f"{symbol}X"]
    assert [(event["event"], event["new_value"]) for event in then["events"]] == [
        ("renamed", f"{symbol}X")
    ]
    by_token = at.run("lookup", renamed["instrument_token"], "--broker", "kite").ok()
    assert f"{symbol}X" in by_token.out
    gone = at.run("lookup", f"NSE:{symbol}")
    assert gone.code == 1
    assert f"NSE:{symbol}X" in gone.out
    early = at.run("lookup", "NSE:RELIANCE", "--at", "2026-08-01")
    assert (early.code, early.out.startswith("History begins on 2026-08-17")) == (1, True)
    several = at.run("lookup", "RELIANCE")
    assert (several.code, "2 instruments are called RELIANCE" in several.out) == (2, True)
    unknown = at.run("lookup", symbol, "--broker", "zerodha")
    assert (unknown.code, "none of the brokers" in unknown.err) == (2, True)
    found = at.run("changes", "--json").ok().document
    counts = {(one["event"], one["exchange"]): one["changed"] for one in found["groups"]}
    assert counts[("renamed", "NSE")] == 2
    assert counts[("tick_changed", "NSE")] == 1
    assert any(one["of_subscriptions"] for one in found["groups"])
    lines = list(csv.DictReader(io.StringIO(at.run("changes", "--csv").ok().out)))
    assert len(lines) == sum(counts.values())
    assert company["tradingsymbol"] in {line["canonical_id"].partition(":")[2] for line in lines}
    assert "of subscriptions" in at.run("changes", "--since", "2026-08-17").ok().out
    assert at.run("changes", "--since", "18-08-2026").code == 2


def test_questions_before_any_publication_say_so(empty: Installation, tmp_path: Path) -> None:
    for arguments in (("lookup", "NSE:RELIANCE"), ("changes",)):
        done = empty.run(*arguments)
        assert done.code == 2, arguments
        assert "Nothing has been published yet" in done.err
    done = empty.run("backfill", str(tmp_path))
    assert done.code == 2
    assert "holds no dated dump" in done.err
