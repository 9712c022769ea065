"""Deaths while days are put before the history: consumers and history are old, or it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end import dumps
from tests.faults.conftest import Laboratory
from tests.history_invariants import violations

pytestmark = pytest.mark.exhaustive

# What the transaction writes, in its order.
WRITTEN = (
    "history.past_instrument_versions", "history.past_broker_instrument_versions",
    "history.instrument_events",
)  # fmt: skip


def believed(lab: Laboratory) -> list[tuple[Any, ...]]:
    with psycopg.connect(lab.at.database_url) as connection:
        assert violations(connection) == {}
        return connection.execute(
            "select canonical_id, instrument_id, valid_from, valid_to"
            " from history.instrument_versions order by 1, 3"
        ).fetchall()


def test_it_dies_anywhere_and_goes_on_where_it_was(lab: Laboratory, tmp_path: Path) -> None:
    folder, before = tmp_path / "days", believed(lab)
    share = [row for row in lab.rows if row["segment"] == "NSE" and row["name"]][20]
    yesterday = dumps.without(lab.rows, lambda row: row is share)
    dumps.write_dump(folder / "2026-08-14.csv", yesterday)
    for number, table in enumerate(WRITTEN):
        running = lab.at.start("backfill", str(folder))
        # Of the days beside only what was not there yet.
        running.wait_for("day 1 of 2" if number == 0 else "history: putting")
        with lab.hold(table, "exclusive") as held:
            held.wait_for_victim(running)
            # The first waits for the table, and not for long: one of the two each time.
            home = {"WAREHOUSE_HOME": str(tmp_path / "apart")} if number else {}
            beside = lab.at.run("backfill", str(folder), **home)
            told = "Another backfill builds in" if home else "Another backfill is running"
            assert (beside.code, told in beside.err) == (6, True), beside.err
            assert "day 1 of 2" not in running.kill().out or number == 0
        assert believed(lab) == before
        lab.assert_old()
    running = lab.at.start("backfill", str(folder))
    with lab.hold(WRITTEN[-1], "exclusive") as held:
        held.wait_for_victim(running)
        lab.postgres.stop()
    gone = running.done()
    assert (gone.code, "stopped the publication" in gone.err) == (3, True)
    lab.postgres.start()
    assert believed(lab) == before
    # The first day is published again, from another dump: what stands beside is not of it.
    lab.converge()
    done = lab.at.run("backfill", str(folder)).ok()
    assert "day 1 of 2" in done.out
    assert "1 day put before the history" in done.out
    lab.assert_new()
    found = {row[:2]: row[2] for row in believed(lab) if row[3] is None}
    own = f"NSE:{share['tradingsymbol']}"
    reach = [day for (name, _), day in found.items() if name == own]
    assert [str(day) for day in reach] == ["2026-08-17"]
    assert {str(day) for day in found.values()} == {"2026-08-14", "2026-08-17"}
    assert not (lab.at.home / "backfill").exists()
