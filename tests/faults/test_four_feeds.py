"""Four brokers in one installation, and what breaks it: every destination stays old or new, whole.

The destinations here include canonical_instruments.yaml and marts.broker_instruments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end import dumps, feeds
from tests.faults.conftest import Laboratory
from tests.faults.servers import waits_for_a_lock
from tests.faults.test_clocks_and_readers import READ
from tests.faults.test_death import publishers
from tests.faults.test_dumps import HOSTILE, assert_holds, named
from tests.faults.test_files_and_disks import fill_up, mounted
from tests.installation import CANONICAL, DOTENV, FILES, LOOKUP, REDIS, until

# Where a sync is stopped, by a lock that somebody else holds: landing a JSON, publishing what only
# several feeds have, building it.
LANDED = "staging.angel_one_instruments"
STOPS = {
    LANDED: "access share",
    "marts.broker_instruments": "share",
    "candidate.broker_disagreements": "access share",
    "staging.dhan_instruments": "access share",
    "candidate.stg_upstox__instruments": "access share",
    "candidate.int_broker_instruments__matched": "access share",
    "history.current_broker_instruments": "share",
}
TELLING = 2
LONG = [
    pytest.param(table, marks=pytest.mark.exhaustive if place >= TELLING else ())
    for place, table in enumerate(STOPS)
]


@pytest.fixture(scope="module")
def laboratory(laboratory_of_four: Laboratory) -> Laboratory:
    return laboratory_of_four


@pytest.mark.parametrize("table", LONG)
def test_killed_while_landing_building_or_publishing(standing: Laboratory, table: str) -> None:
    running = standing.at.start_sync(standing.next_dump)
    with standing.hold(table, STOPS[table]) as held:
        held.wait_for_victim(running)
        running.kill()
        standing.assert_old()
    until(lambda: not publishers(standing), "the end of the dead process's session")
    standing.assert_old()


@pytest.mark.parametrize(
    "table",
    [
        "staging.upstox_instruments",
        pytest.param("candidate.broker_coverage", marks=pytest.mark.exhaustive),
        pytest.param("marts.broker_instruments", marks=pytest.mark.exhaustive),
    ],
)
def test_postgres_stopped_like_a_power_cut(standing: Laboratory, table: str) -> None:
    running = standing.at.start_sync(standing.next_dump)
    mode = "share" if table.startswith("marts") else "access share"
    with standing.hold(table, mode) as held:
        held.wait_for_victim(running)
        standing.postgres.stop()
        done = running.done()
    assert done.code == 3, done
    assert "Traceback" not in done.err
    standing.postgres.start()
    standing.assert_old()


def test_a_second_sync_leaves_while_a_json_is_landed(standing: Laboratory) -> None:
    first = standing.at.start_sync(standing.next_dump)
    with standing.hold(LANDED, STOPS[LANDED]) as held:
        held.wait_for_victim(first)
        second = standing.at.sync(standing.next_dump, FEEDS="kite")
        assert second.code == 6, second
        assert f"pid {first.pid}" in second.err
        standing.assert_old()
        first.kill()
    standing.assert_old()


READERS = READ | {
    name: f"select md5(string_agg(t::text, '|' order by t::text)) from {name} as t"
    for name in ("marts.exp_yaml__canonical_instruments", "marts.broker_coverage")
}


def test_after_these_a_kill_amid_the_exports_with_readers_that_stay(standing: Laboratory) -> None:
    """The sync after all of these deaths; it dies as well, and the next one converges."""
    lab = standing
    with psycopg.connect(lab.at.database_url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def read() -> dict[str, Any]:
            return {name: reader.execute(query).fetchone() for name, query in READERS.items()}

        before = read()
        running = lab.at.start_sync(lab.next_dump)
        running.wait_for("gate: auditing")
        lab.redis.freeze()
        running.wait_for("redis: exporting")
        running.kill()
        lab.redis.thaw()
        assert read() == before
        reader.commit()
        after = read()
    assert [name for name in READERS if after[name] == before[name]] == []
    lab.assert_pending(REDIS, DOTENV, either=FILES)
    assert lab.at.run("status").code == 5
    lab.converge()
    assert lab.at.run("status").code == 0


def test_killed_while_the_rows_of_the_canonical_file_are_awaited(laboratory: Laboratory) -> None:
    lab = laboratory
    lab.put_back(lab.kept_unexported)
    view = "marts.exp_yaml__canonical_instruments"
    running = lab.at.start("export")
    # Somebody's own migration, not committed yet, keeps everybody from reading the view.
    with lab.at.connect() as migration:
        migration.execute(f"drop view {view}")
        until(lambda: waits_for_a_lock(lab.at.database_url, view), "an export that waits")
        running.wait_for("dotenv: written")
        running.kill()
        migration.rollback()
    lab.assert_pending(CANONICAL)
    lab.converge()


def test_redis_gone_and_the_disk_of_the_env_file_full(laboratory: Laboratory) -> None:
    lab = laboratory
    lab.put_back(lab.kept_unexported)
    folder = lab.at.env_file.parent
    before = lab.at.env_file.read_bytes()
    with mounted(folder, "size=64k"):
        lab.at.env_file.write_bytes(before)
        fill_up(folder / "filler", 1)
        lab.redis.kill()
        done = lab.at.sync(lab.next_dump)
        assert lab.at.env_file.read_bytes() == before
    assert done.code == 5, done
    assert "out of reach" in done.err
    assert "full" in done.err
    lab.redis.start()
    lab.assert_pending(REDIS, DOTENV)
    assert lab.at.run("status").code == 5
    lab.converge()


# Symbols that would end a text, a key or a document of YAML, JSON, SQL or a COPY.
HOSTILE_SYMBOLS = (
    "O'REILLY \"Q\"", "'; drop table marts.instruments; --", "{a: b}, [c]", "- x # y: |", "\\N",
    "\\.", "null", "~", "!!python/object:os.system", "&a *b", "%YAML 1.2", "...",
    "株式 \U0001f4c8 \u202e",
)  # fmt: skip
# Names that some reader of a destination cannot hold.
UNHOLDABLE = ("two\nlines", "no character \uffff")


def test_hostile_names_in_json_reach_the_canonical_file_and_harm_nobody(lab: Laboratory) -> None:
    rows = named(lab.rows, HOSTILE)
    kite = dumps.write_dump(lab.at.folder / "hostile.csv", rows)
    wanted = {
        f"{token}": (f"HOSTILE{token}", name) for token, name in enumerate(HOSTILE, 9_900_001)
    } | {f"{token}": (name, "X") for token, name in enumerate(HOSTILE_SYMBOLS, 9_910_001)}
    refused = [
        feeds.angel_one_share(f"{token}", f"BAD{token}-EQ", name)
        for token, name in enumerate(UNHOLDABLE, 9_920_001)
    ]
    others = feeds.Dumps.of(
        lab.at.folder / "hostile",
        rows,
        *(feeds.angel_one_share(token, f"{s}-EQ", n) for token, (s, n) in wanted.items()),
        *refused,
    )

    # Thirty shares that Kite does not list are much of the few that this small dump has.
    lenient = {"GATE_FEED_COVERAGE_MAX_FALL": "0.5"}
    done = lab.at.sync(kite, "--json", **others.settings, **lenient).ok()

    stale = "select distinct broker from marts.broker_instruments where is_stale"
    assert lab.at.execute(stale) == [], done.out
    assert_holds(lab, rows)
    found = feeds.canonical(lab.at.files / "canonical_instruments.yaml")
    for token, (symbol, name) in wanted.items():
        terms = found[f"NSE:{symbol}"]
        assert terms["name"] == name.strip(" ")
        assert terms["broker_mappings"] == {
            "angel_one": {"tradingsymbol": f"{symbol}-EQ", "symboltoken": token}
        }
    contracts = feeds.mappings_in(lab.at.files / "canonical_instruments.yaml")
    assert contracts == others.mappings()
    rejected = lab.at.execute("select feed, column_name from marts.rejected_rows")
    assert rejected == [("angel_one", "name")] * len(UNHOLDABLE)
    page = Path(done.document["report"]).read_text()
    assert "<script>alert('x')" not in page
    assert "<img src=x" not in page
    # What was hostile leaves every destination again.
    lab.at.sync(lab.dump, **lab.others[0].settings).ok()
    before, again = lab.old.by_destination(), lab.at.seen().by_destination()
    assert [name for name in (DOTENV, LOOKUP, CANONICAL) if again[name] != before[name]] == []
    assert lab.at.seen().redis == lab.old.redis
    assert lab.at.seen().instruments == lab.old.instruments
