"""Clocks that jump, readers that stay, others who meddle while a sync runs."""

from __future__ import annotations

import psycopg
import pytest

from tests.faults.conftest import Laboratory
from tests.faults.test_death import worker_of
from tests.installation import until


@pytest.mark.parametrize(
    "as_of", ["2031-01-01", pytest.param("2026-12-31", marks=pytest.mark.exhaustive)]
)
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


def test_readers_that_stay_neither_block_a_publication_nor_see_it(lab: Laboratory) -> None:
    with psycopg.connect(lab.at.database_url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before = {name: reader.execute(query).fetchone() for name, query in READ.items()}
        lab.at.sync(lab.next_dump).ok()
        assert {name: reader.execute(query).fetchone() for name, query in READ.items()} == before
        reader.commit()
        after = {name: reader.execute(query).fetchone() for name, query in READ.items()}
    assert all(after[name] != before[name] for name in READ)
    lab.assert_new()


def test_a_cursor_that_is_half_way_reads_the_old_rows_to_their_end(lab: Laboratory) -> None:
    with psycopg.connect(lab.at.database_url) as reader, reader.cursor(name="slow") as cursor:
        cursor.itersize = 10
        cursor.execute("select instrument_token from public.instruments order by 1")
        first = cursor.fetchmany(10)
        lab.at.sync(lab.next_dump).ok()
        rest = cursor.fetchall()
    assert [row[0] for row in first + rest] == [row[0] for row in lab.old.instruments]
    lab.assert_new()


# --- others ---------------------------------------------------------------------------------


def test_a_candidate_that_somebody_rebuilt_since_the_build_is_not_published(
    lab: Laboratory,
) -> None:
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
    lab.converge()


def test_a_candidate_cannot_be_rebuilt_while_it_is_published(lab: Laboratory) -> None:
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


def test_a_hand_change_during_a_sync_is_not_lost(lab: Laboratory) -> None:
    at = lab.at
    off = lab.old.active[3]
    running = at.start_sync(lab.next_dump)
    running.wait_for("gate: auditing")
    at.execute("update instruments set is_active = false where instrument_token = %s", off)
    done = running.done().ok()
    assert off not in at.seen().active
    assert off not in at.env_tokens()
    assert "building again" in done.out
    seen = at.seen()
    assert len(seen.active) == len(lab.new.active) - 1
    assert seen.redis == lab.new.redis


def test_a_hand_change_that_is_not_committed_yet_is_waited_for(lab: Laboratory) -> None:
    at = lab.at
    off = lab.old.active[5]
    running = at.start_sync(lab.next_dump)
    with at.connect() as operator:
        operator.execute(
            "update instruments set is_active = false where instrument_token = %s", (off,)
        )
        running.wait_for("publish: publishing")
        until(lambda: waits(lab), "a publication that waits")
        operator.commit()
    running.done().ok()
    assert off not in at.seen().active
    assert off not in at.env_tokens()


def waits(lab: Laboratory) -> bool:
    return bool(
        lab.at.execute("select pid from pg_stat_activity where wait_event_type = 'Lock' limit 1")
    )


def test_keys_that_others_write_meanwhile_stay_theirs(lab: Laboratory) -> None:
    running = lab.at.start_sync(lab.next_dump)
    with lab.redis.client() as client:
        client.set("orders:7", "open")
        while running.process.poll() is None:
            client.incr("orders:count")
        running.done().ok()
        assert client.get("orders:7") == "open"
        assert int(client.get("orders:count") or 0) > 0
    lab.assert_new()
