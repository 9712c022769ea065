"""History from the command line: backfill, lookup, changes, and what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end import dumps
from tests.end_to_end.conftest import Published
from tests.history_invariants import violations
from tests.installation import Installation

# History but for the instants at which it was written.
CONTENT = tuple(
    f"select to_jsonb(h) - array['recorded_at'] from history.{name} as h order by 1"
    for name in ("instrument_versions", "broker_instrument_versions", "instrument_events")
)


def history(at: Installation) -> list[Any]:
    with psycopg.connect(at.database_url) as connection:
        assert violations(connection) == {}
    return [at.execute(query) for query in CONTENT]


def days(published: Published, folder: Path) -> Path:
    """A folder of three days: one dated by its name, two by their folders."""
    changed = dumps.next_day(published.next_rows)
    dumps.write_dump(folder / "2026-08-17_instruments.csv", published.rows)
    dumps.write_dump(folder / "kite" / "2026-08-18" / "a.csv", published.next_rows)
    dumps.write_dump(folder / "kite" / "2026-08-19" / "b.csv", changed)
    return folder


@pytest.mark.exhaustive
def test_a_backfill_is_what_daily_syncs_would_have_been(
    published: Published, tmp_path: Path
) -> None:
    at = published.at
    folder = days(published, tmp_path / "days")
    at.sync(folder / "kite/2026-08-18/a.csv", AS_OF="2026-08-18").ok()
    at.sync(folder / "kite/2026-08-19/b.csv", AS_OF="2026-08-19").ok()
    daily, seen = history(at), at.seen()
    at.wipe()
    at.run("backfill", str(folder)).ok()
    assert history(at) == daily
    assert at.seen().is_like(seen) or at.seen().differing(seen) == ["dotenv"]
    again = at.run("backfill", str(folder), "--json").ok().document
    assert (again["published"], len(again["skipped"])) == ([], 3)
    # One more day, and one that would have to go before the others.
    dumps.write_dump(folder / "2026-08-20.csv", published.rows)
    at.run("backfill", str(folder)).ok()
    assert at.execute("select max(as_of_date)::text from ops.publications") == [("2026-08-20",)]
    dumps.write_dump(folder / "2026-08-14.csv", published.rows)
    refused = at.run("backfill", str(folder))
    assert refused.code == 2
    assert "2026-08-14 cannot go before" in refused.err


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
    assert at.run("lookup", "NSE:RELIANCE", "--at", "2026-08-01").code == 1
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
