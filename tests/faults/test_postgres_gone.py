"""PostgreSQL gone before, during and after; its sessions cut; its disk... and what is seen then."""

from __future__ import annotations

import signal

import pytest

from tests.faults.conftest import Laboratory
from tests.faults.test_death import FIRST_AND_LAST, REPLACED, WRITTEN, publishers, worker_of
from tests.installation import DOTENV, FILES, REDIS


def test_gone_before_the_sync(standing: Laboratory) -> None:
    standing.postgres.stop(signal.SIGINT)
    done = standing.at.sync(standing.next_dump)
    assert done.code == 3
    assert "cannot be reached" in done.err
    assert "Consumers keep what they have" in done.err
    standing.postgres.start()
    standing.assert_old()


@pytest.mark.parametrize("verb", ["status", "export", "rollback", "gate"])
def test_gone_before_another_verb(standing: Laboratory, verb: str) -> None:
    standing.postgres.stop(signal.SIGINT)
    done = standing.at.run(verb)
    assert done.code == 3
    assert "Traceback" not in done.err
    standing.postgres.start()
    standing.assert_old()


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(table, marks=() if table in FIRST_AND_LAST else pytest.mark.exhaustive)
        for table in (*REPLACED, *WRITTEN)
    ],
)
def test_stopped_like_a_power_cut_while_it_works(standing: Laboratory, table: str) -> None:
    running = standing.at.start_sync(standing.next_dump)
    with standing.hold(table, {**REPLACED, **WRITTEN}[table]) as held:
        held.wait_for_victim(running)
        standing.postgres.stop()
        done = running.done()
    assert done.code == 3, done
    assert "Traceback" not in done.err
    standing.postgres.start()
    standing.assert_old()


def test_stopped_while_the_candidate_is_audited(standing: Laboratory) -> None:
    running = standing.at.start_sync(standing.next_dump)
    running.wait_for("build: building")
    worker = worker_of(running)
    worker.suspend()
    running.wait_for("gate: auditing")
    standing.postgres.stop()
    worker.resume()
    done = running.done()
    assert done.code == 3, done
    standing.postgres.start()
    standing.assert_old()


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("candidate.broker_instruments", marks=pytest.mark.exhaustive),
        "marts.exp_redis__instruments",
    ],
)
def test_its_sessions_cut_as_a_failover_does(standing: Laboratory, table: str) -> None:
    running = standing.at.start_sync(standing.next_dump)
    with standing.hold(table, {**REPLACED, **WRITTEN}[table]) as held:
        held.wait_for_victim(running)
        for (pid,) in publishers(standing):
            standing.at.execute("select pg_terminate_backend(%s)", pid)
        done = running.done()
    assert done.code in {3, 4}, done
    standing.assert_old()


@pytest.mark.parametrize(
    ("table", "mode"),
    [("public.instruments", "row exclusive"), ("candidate.broker_instruments", "access share")],
)
def test_a_lock_that_is_never_given_up_ends_the_sync_not_the_consumer(
    standing: Laboratory, table: str, mode: str
) -> None:
    with standing.hold(table, mode) as held:
        done = standing.at.sync(standing.next_dump)
        assert done.code == 3, done
        assert table.partition(".")[2] in done.err
        assert f"pid {held.connection.info.backend_pid} " in done.err
        standing.assert_old()


def test_after_all_of_these_the_same_command_converges(standing: Laboratory) -> None:
    standing.converge()


def test_gone_between_publishing_and_exporting(lab: Laboratory) -> None:
    running = lab.at.start_sync(lab.next_dump)
    running.wait_for("gate: auditing")
    lab.redis.freeze()
    running.wait_for("redis: exporting")
    lab.postgres.stop()
    lab.redis.thaw()
    done = running.done()
    assert done.code == 5, done
    assert "Publication 2 is complete in PostgreSQL, which went away" in done.err
    lab.postgres.start()
    # The files are written beside Redis: they may be there already.
    lab.assert_pending(REDIS, DOTENV, either=FILES)
    lab.converge()
