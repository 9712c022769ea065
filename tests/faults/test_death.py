"""`kill -9` at every stage boundary, and amid landing, building, publishing and writing."""

from __future__ import annotations

import os
import signal
import sys

import psutil
import pytest

from tests.faults.conftest import Laboratory
from tests.installation import (
    DOTENV,
    FOCUS,
    LOOKUP,
    POSTGRES,
    REDIS,
    SNAPSHOT,
    Kept,
    Running,
    until,
)

# Said by a sync before it publishes, in this order.
UNPUBLISHED = (
    "start: reaching", "start: PostgreSQL answers", "fetch: getting", "fetch: 0.",
    "land: copying", " rows (", "parse: reading", "parse: dbt", "build: building",
    "models and seeds", "gate: auditing", "gate: green",
)  # fmt: skip
# Said from then on: the process goes on for some microseconds after a line.
PUBLISHED = ("publish: publishing", "publish: publication 2")
EXPORTED = (
    "redis: exporting",
    "redis: written",
    "dotenv: exporting",
    "dotenv: written",
    "registry_snapshot: exporting",
    "token_lookup: exporting",
    "token_lookup: written",
    "focus_instruments: exporting",
    "focus_instruments: ",
)
# Tables that a landing and a build replace, and that a publication writes early, midway, late.
REPLACED = {
    "staging.kite_instruments": "access share",
    "candidate.broker_instruments": "access share",
    "candidate.exp_redis__instruments": "access share",
}
WRITTEN = {
    "public.instruments": "row exclusive",
    "marts.instruments": "share",
    "marts.exp_redis__instruments": "share",
    "ops.exports": "share",
}


def worker_of(running: Running) -> psutil.Process:
    """The process that audits, which starts early."""

    def found() -> list[psutil.Process]:
        children = psutil.Process(running.pid).children(recursive=True)
        return [child for child in children if "expectations.worker" in " ".join(child.cmdline())]

    return until(found, "the audit's process")[0]


@pytest.mark.parametrize("line", UNPUBLISHED)
def test_killed_before_publishing_nothing_has_changed(standing: Laboratory, line: str) -> None:
    running = standing.at.start_sync(standing.next_dump)
    running.wait_for(line)
    running.kill()
    if line.startswith("gate: green"):
        # Publishing begins a moment after that line.
        standing.editions()
    else:
        standing.assert_old()


@pytest.mark.parametrize("table", REPLACED)
def test_killed_in_the_middle_of_landing_or_building(standing: Laboratory, table: str) -> None:
    running = standing.at.start_sync(standing.next_dump)
    with standing.hold(table, REPLACED[table]) as held:
        held.wait_for_victim(running)
        running.kill()
        standing.assert_old()


def test_killed_in_the_middle_of_the_audit(standing: Laboratory) -> None:
    running = standing.at.start_sync(standing.next_dump)
    running.wait_for("build: building")
    worker = worker_of(running)
    worker.suspend()
    running.wait_for("gate: auditing")
    os.kill(running.pid, signal.SIGKILL)
    worker.resume()
    assert running.done().code == -signal.SIGKILL
    standing.assert_old()


@pytest.mark.parametrize("table", WRITTEN)
def test_killed_in_the_middle_of_publishing(standing: Laboratory, table: str) -> None:
    running = standing.at.start_sync(standing.next_dump)
    with standing.hold(table, WRITTEN[table]) as held:
        held.wait_for_victim(running)
        running.kill()
        standing.assert_old()
    # Nor does the server go on by itself when the lock is gone.
    until(lambda: not publishers(standing), "the end of the dead process's session")
    standing.assert_old()


def publishers(lab: Laboratory) -> list[tuple[object, ...]]:
    return lab.at.execute(
        "select pid from pg_stat_activity where application_name <> '' "
        "and datname = current_database()"
    )


def test_after_all_of_these_the_same_command_converges(standing: Laboratory) -> None:
    standing.converge()
    died = standing.at.execute("select count(*) from ops.sync_runs where status = 'died'")
    assert died[0][0] > 0
    assert standing.at.run("status").code == 0


@pytest.mark.parametrize("line", PUBLISHED)
def test_killed_while_publishing_all_tables_are_old_or_new(lab: Laboratory, line: str) -> None:
    running = lab.at.start_sync(lab.next_dump)
    running.wait_for(line)
    running.process.kill()
    running.done()
    found = lab.editions()
    assert line == "publish: publishing" or found[POSTGRES] == "new"
    lab.converge()


@pytest.fixture(scope="module")
def unexported(laboratory: Laboratory) -> Kept:
    """The new publication in PostgreSQL; its sync was killed while Redis did not answer."""
    lab = laboratory
    lab.put_back()
    running = lab.at.start_sync(lab.next_dump)
    running.wait_for("gate: auditing")
    lab.redis.freeze()
    running.wait_for("redis: exporting")
    running.kill()
    lab.redis.thaw()
    # The files are written beside Redis: they may be there already.
    lab.assert_pending(REDIS, DOTENV, either=(SNAPSHOT, LOOKUP, FOCUS))
    return lab.at.keep("unexported")


def test_killed_while_redis_does_not_answer(laboratory: Laboratory, unexported: Kept) -> None:
    laboratory.put_back(unexported)
    assert laboratory.at.run("status").code == 5
    laboratory.converge()
    assert laboratory.at.run("status").code == 0


@pytest.mark.parametrize("line", EXPORTED)
def test_killed_while_exporting_each_destination_is_old_or_new(
    laboratory: Laboratory, unexported: Kept, line: str
) -> None:
    lab = laboratory
    lab.put_back(unexported)
    running = lab.at.start_sync(lab.next_dump)
    running.wait_for(line)
    running.process.kill()
    running.done()
    assert lab.editions()[POSTGRES] == "new"
    lab.converge()


def test_killed_in_the_middle_of_writing_redis(lab: Laboratory) -> None:
    with lab.redis.client() as client:
        client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
        running = lab.at.start_sync(lab.next_dump)
        running.wait_for("redis: exporting")
        until(lambda: waits_to_write(client), "a write that waits")
        running.kill()
        client.execute_command("CLIENT", "UNPAUSE")
    # The files are written beside Redis.
    lab.assert_pending(REDIS, DOTENV, either=(SNAPSHOT, LOOKUP, FOCUS))
    lab.converge()


def waits_to_write(client: object) -> bool:
    listed = client.client_list()  # type: ignore[attr-defined]
    return any(one["flags"] != "N" and "b" in one["flags"] for one in listed)


# A writer of the file that dies in the middle of it.
DYING_WRITER = """
import os, sys
from pathlib import Path
from exporters import atomic_file
with atomic_file._temporary_beside(Path(sys.argv[1])) as (descriptor, _):
    os.write(descriptor, b"INSTRUMENTS=1,2")
    os.kill(os.getpid(), 9)
"""


def test_what_a_dead_writer_left_beside_the_env_file_is_removed(
    laboratory: Laboratory, unexported: Kept
) -> None:
    lab = laboratory
    lab.put_back(unexported)
    before = lab.at.env_file.read_bytes()
    command = [sys.executable, "-c", DYING_WRITER, str(lab.at.env_file)]
    assert lab.at.start_program(command).done().code == -signal.SIGKILL
    left = [path for path in lab.at.env_file.parent.iterdir() if "warehouse-tmp" in path.name]
    assert [path.read_bytes() for path in left] == [b"INSTRUMENTS=1,2"]
    assert lab.at.env_file.read_bytes() == before
    lab.converge()
    assert not left[0].exists()
