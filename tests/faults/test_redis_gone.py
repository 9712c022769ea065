"""Redis gone, frozen, read-only, full, locked up, flushed, killed in mid-write, foreign."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.end_to_end import dumps, expected
from tests.faults.conftest import Laboratory
from tests.faults.test_death import waits_to_write
from tests.installation import CANONICAL, DESTINATIONS, REDIS, Done, Kept, until

MARKER = "instruments:publication"

Break = Callable[[Laboratory, redis.Redis], object]


def fill(client: redis.Redis) -> None:
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", client.info("memory")["used_memory"])


# What is broken, and a word of the error that must come.
BROKEN: dict[str, tuple[Break, str]] = {
    "gone": (lambda lab, _: lab.redis.kill(), "out of reach"),
    "a read-only replica": (lambda _, client: client.replicaof("127.0.0.1", 1), "primary"),
    "with too few replicas": (
        lambda _, client: client.config_set("min-replicas-to-write", 1),
        "replicas",
    ),
    "out of memory": (lambda _, client: fill(client), "memory"),
}


@dataclass(frozen=True)
class Pending:
    """The new publication in PostgreSQL and the files, Redis still old: it was gone."""

    kept: Kept
    done: Done


@pytest.fixture(scope="module")
def pending(laboratory: Laboratory) -> Iterator[Pending]:
    laboratory.put_back()
    laboratory.redis.kill()
    done = laboratory.at.sync(laboratory.next_dump)
    laboratory.redis.start()
    assert done.code == 5, done
    laboratory.assert_pending(REDIS)
    yield Pending(laboratory.at.keep("pending"), done)
    laboratory.heal()


@pytest.fixture
def behind(laboratory: Laboratory, pending: Pending) -> Iterator[Laboratory]:
    laboratory.put_back(pending.kept)
    yield laboratory
    laboratory.heal()


def test_gone_for_a_whole_sync(behind: Laboratory, pending: Pending) -> None:
    done = pending.done
    assert "out of reach" in done.err
    assert "warehouse export" in done.err
    # The line is new already, whatever else is pending; and nobody may have read that.
    assert "restart ingestion, so that it reads the new INSTRUMENTS line" in done.out
    assert behind.at.run("status").code == 5
    finished = behind.at.run("export").ok()
    assert "if ingestion started after 20" in finished.out
    behind.assert_new()
    assert behind.at.run("status").code == 0


@pytest.mark.parametrize("what", BROKEN)
def test_broken_it_stays_pending_and_is_finished_later(behind: Laboratory, what: str) -> None:
    breaks, word = BROKEN[what]
    with behind.redis.client() as client:
        breaks(behind, client)
    done = behind.at.sync(behind.next_dump)
    assert done.code == 5, done
    assert word in done.err
    assert "Traceback" not in done.err
    behind.redis.heal()
    behind.assert_pending(REDIS)
    again = behind.converge()
    assert "Already published as 2" in again.out


def test_wanting_a_password_that_was_not_given(behind: Laboratory) -> None:
    with behind.redis.client() as client:
        client.config_set("requirepass", "a secret word")
        done = behind.at.sync(behind.next_dump)
        client.auth("a secret word")
        client.config_set("requirepass", "")
    assert done.code == 5, done
    assert "password" in done.err
    behind.assert_pending(REDIS)
    behind.converge()


def test_killed_in_mid_write(behind: Laboratory) -> None:
    with behind.redis.client() as client:
        client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
        running = behind.at.start_sync(behind.next_dump)
        until(lambda: waits_to_write(client), "a write that waits")
        behind.redis.kill()
    done = running.done()
    assert done.code == 5, done
    behind.redis.start()
    behind.assert_pending(REDIS)
    behind.converge()


def put_text(client: redis.Redis, key: str) -> None:
    client.delete(key)
    client.set(key, "text")


# What is done, for some of its keys.
HURT: dict[str, Callable[[redis.Redis, str], object]] = {
    "half flushed": lambda client, key: client.delete(key),
    "half written": lambda client, key: client.hset(key, mapping={"lot_size": "9", "name": "x"}),
    "wrong types": put_text,
    "fields too many": lambda client, key: client.hset(key, "ltp", "1.5"),
    "keys too many": lambda client, key: client.hset(f"{key}0000", mapping={"name": "foreign"}),
    "a key that is no number": lambda client, _: client.hset("instrument:x", "name", "foreign"),
    "keys that expire": lambda client, key: client.expire(key, 3_600),
    "flushed": lambda client, _: client.flushall(),
    "marker gone": lambda client, _: client.delete(MARKER),
    "foreign marker": lambda client, _: client.hset(MARKER, mapping={"publication": "77"}),
    "marker of the wrong type": lambda client, _: put_text(client, MARKER),
}


@pytest.mark.parametrize("damage", HURT)
def test_damaged_it_is_mended_by_the_same_dump(laboratory: Laboratory, damage: str) -> None:
    lab = laboratory
    if lab.at.seen().differing(lab.new):
        lab.put_back(lab.kept_new)
    with lab.redis.client() as client:
        for key in list(lab.new.redis)[:200:2]:
            HURT[damage](client, key)
    done = lab.at.sync(lab.next_dump).ok()
    assert "Already published as 2" in done.out
    lab.assert_new()
    with lab.redis.client() as client:
        assert all(client.ttl(key) == -1 for key in list(lab.new.redis)[:200])


def legacy(client: redis.Redis, hashes: dict[str, dict[str, str]], *, as_tables: bool) -> None:
    """What the old scripts left: the same hashes, fields in another order, and no marker."""
    if as_tables:
        client.config_set("hash-max-ziplist-entries", 0)
    pipeline = client.pipeline(transaction=False)
    for key, values in hashes.items():
        pipeline.hset(key, mapping=dict(reversed(values.items())))
    pipeline.execute()
    client.config_set("hash-max-ziplist-entries", 512)


@pytest.mark.parametrize("as_tables", [False, True], ids=["as lists", "as tables"])
def test_hashes_of_the_old_scripts_are_recognised(
    laboratory: Laboratory, *, as_tables: bool
) -> None:
    lab = laboratory
    lab.put_back(lab.kept_new)
    with lab.redis.client() as client:
        client.flushall()
        legacy(
            client, {key: dict(held) for key, held in lab.new.redis.items()}, as_tables=as_tables
        )
        before = client.info("commandstats").get("cmdstat_hset", {"calls": 0})["calls"]
        done = lab.at.sync(lab.next_dump).ok()
        after = client.info("commandstats").get("cmdstat_hset", {"calls": 0})["calls"]
    assert "Already published as 2" in done.out
    lab.assert_new()
    # They hold what they should, whatever the order of their fields: only the marker is written.
    assert after - before <= 2


@pytest.mark.exhaustive
def test_a_redis_full_of_the_old_scripts_keys_is_taken_over(
    lab: Laboratory, kite_dump: Path
) -> None:
    lab.at.wipe()
    baseline = lab.at.start_program(
        [sys.executable, "-m", "benchmarks.row_at_a_time", str(kite_dump), lab.at.database_url,
         lab.at.redis_url, str(lab.at.env_file)]
    )  # fmt: skip
    baseline.done().ok()
    rows = dumps.read_dump(kite_dump)
    wanted = expected.redis_hashes(rows)
    seen = lab.at.seen()
    assert len(seen.redis) == 125_581
    lab.at.sync(kite_dump).ok()
    seen = lab.at.seen()
    assert seen.redis == wanted
    assert seen.marker["rows"] == "125581"
    assert lab.at.env_tokens() == dumps.tokens_of(rows, "NIFTY")
    assert list(seen.active) == sorted(dumps.tokens_of(rows, "NIFTY"))
    held = seen.by_destination()
    assert {name for name in DESTINATIONS if held[name] is None} <= {CANONICAL}
