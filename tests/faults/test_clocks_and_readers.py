"""Clocks that jump, readers that stay, others who meddle while a sync runs."""

from __future__ import annotations

import time

import psycopg
import pytest

from tests.faults.conftest import Laboratory
from tests.faults.test_death import worker_of
from tests.installation import until


# A few weeks ahead: the stale dump of `test_dumps`.
@pytest.mark.exhaustive
@pytest.mark.parametrize("as_of", ["2031-01-01", "2026-12-31"])
def test_a_clock_far_ahead_is_stopped_by_the_gate(standing: Laboratory, as_of: str) -> None:
    done = standing.at.sync(standing.next_dump, AS_OF=as_of)
    assert done.code == 4, done
    standing.assert_old()


def test_a_clock_that_went_back_is_refused_and_takes_nothing_back(standing: Laboratory) -> None:
    """History and consumers go forward; the ways back are named."""
    done = standing.at.sync(standing.next_dump, AS_OF="2026-08-14")
    assert done.code == 2, done
    assert "2026-08-14 is before that of publication 1" in done.err
    assert "warehouse rollback" in done.err
    assert "`warehouse backfill` puts days before" in done.err
    standing.assert_old()


def test_a_clock_before_every_contract_is_not_an_error_of_the_program(
    standing: Laboratory,
) -> None:
    done = standing.at.sync(standing.next_dump, AS_OF="1970-01-01")
    assert done.code in {2, 4}, done
    assert "Traceback" not in done.err
    standing.assert_old()


# --- readers --------------------------------------------------------------------------------

READ = {
    "public.instruments": "select md5(string_agg(t::text, '|' order by instrument_token)) "
    "from public.instruments as t",
    "marts.broker_instruments": "select md5(string_agg(t::text, '|' order by instrument_token)) "
    "from marts.broker_instruments as t",
    "marts.exp_redis__instruments": "select md5(string_agg(t::text, '|' order by "
    "instrument_token)) from marts.exp_redis__instruments as t",
    "marts.exp_json__token_lookup": "select md5(string_agg(t::text, '|' order by "
    "instrument_token)) from marts.exp_json__token_lookup as t",
}


def test_others_read_and_write_on_and_a_publication_neither_waits_nor_disturbs(
    lab: Laboratory,
) -> None:
    """A report in one transaction, a cursor half way through its rows, a trader's own keys."""
    with (
        psycopg.connect(lab.at.database_url) as reader,
        psycopg.connect(lab.at.database_url) as another,
        another.cursor(name="slow") as cursor,
        lab.redis.client() as client,
    ):
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before = {name: reader.execute(query).fetchone() for name, query in READ.items()}
        cursor.itersize = 10
        cursor.execute("select instrument_token from public.instruments order by 1")
        first = cursor.fetchmany(10)
        running = lab.at.start_sync(lab.next_dump)
        client.set("orders:7", "open")
        while running.process.poll() is None:
            client.incr("orders:count")
            time.sleep(0.005)
        running.done().ok()
        lab.assert_new()
        assert client.get("orders:7") == "open"
        assert int(client.get("orders:count") or 0) > 0
        assert {name: reader.execute(query).fetchone() for name, query in READ.items()} == before
        reader.commit()
        after = {name: reader.execute(query).fetchone() for name, query in READ.items()}
        rest = cursor.fetchall()
    assert all(after[name] != before[name] for name in READ)
    assert [row[0] for row in first + rest] == [row[0] for row in lab.old.instruments]


# --- others ---------------------------------------------------------------------------------


def test_a_candidate_that_somebody_rebuilds_is_not_published(lab: Laboratory) -> None:
    """Since its build, nor while it is published."""
    running = lab.at.start_sync(lab.next_dump)
    running.wait_for("build: building")
    worker = worker_of(running)
    worker.suspend()
    running.wait_for("gate: auditing")
    assert rebuild(lab)
    worker.resume()
    done = running.done()
    assert done.code in {3, 4}, done
    assert "repeated_rows" in done.err or "candidate" in done.err
    lab.assert_old()

    running = lab.at.start_sync(lab.next_dump)
    with lab.hold("public.instruments", "row exclusive") as held:
        running.wait_for("gate: green")
        held.wait_for_victim(running)
        assert not rebuild(lab)
    running.done().ok()
    lab.assert_new()


def rebuild(lab: Laboratory) -> bool:
    """As a dbt run of somebody else does: another table under the same name."""
    try:
        with lab.at.connect() as other:
            other.execute("set lock_timeout = '500ms'")
            other.execute(
                "create table candidate.other (like candidate.repeated_rows including all)"
            )
            other.execute("drop table candidate.repeated_rows")
            other.execute("alter table candidate.other rename to repeated_rows")
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def test_hand_changes_during_a_sync_are_not_lost(lab: Laboratory) -> None:
    """One that was made while it audits, and one that is not committed when it publishes."""
    at = lab.at
    off, later = lab.old.active[3], lab.old.active[5]
    switch_off = "update instruments set is_active = false where instrument_token = %s"
    running = at.start_sync(lab.next_dump)
    running.wait_for("gate: auditing")
    at.execute(switch_off, off)
    with at.connect() as operator:
        operator.execute(switch_off, (later,))
        running.wait_for("publish: publishing")
        until(lambda: waits(lab), "a publication that waits")
        operator.commit()
    done = running.done().ok()
    assert "building again" in done.out
    seen = at.seen()
    assert set(lab.new.active) - set(seen.active) == {off, later}
    assert set(seen.active) == set(at.env_tokens())
    assert seen.redis == lab.new.redis


def waits(lab: Laboratory) -> bool:
    return bool(
        lab.at.execute("select pid from pg_stat_activity where wait_event_type = 'Lock' limit 1")
    )
