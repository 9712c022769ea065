"""`kill -9` at every stage boundary, and amid landing, building, publishing and writing."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.end_to_end import dumps, expected
from tests.faults.conftest import Laboratory
from tests.installation import DOTENV, FILES, POSTGRES, REDIS, Kept, Running, seen_as, until

# Said by a sync before it publishes, in this order.
UNPUBLISHED = (
    "start: reaching", "start: PostgreSQL answers", "fetch: getting", "fetch: 0.",
    "land: copying", " rows (", "parse: reading", "parse: dbt", "build: building",
    "models and seeds", "gate: auditing", "gate: green",
)  # fmt: skip
# The others' neighbours, a moment away.
BETWEEN = ("parse: dbt", "build: building", "gate: auditing")
# Said from then on: the process goes on for some microseconds after a line.
PUBLISHED = ("publish: publishing", "publish: publication 2")
EXPORTED = (
    "redis: exporting",
    "redis: written",
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
FIRST_AND_LAST = ("public.instruments", "ops.exports")


def worker_of(running: Running) -> psutil.Process:
    """The process that audits, which starts early."""

    def found() -> list[psutil.Process]:
        children = psutil.Process(running.pid).children(recursive=True)
        return [child for child in children if "expectations.worker" in " ".join(child.cmdline())]

    return until(found, "the audit's process")[0]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=pytest.mark.exhaustive if line in BETWEEN else ())
        for line in UNPUBLISHED
    ],
)
def test_killed_before_publishing_nothing_has_changed(standing: Laboratory, line: str) -> None:
    running = standing.at.start_sync(standing.next_dump)
    running.wait_for(line)
    running.kill()
    if line.startswith("gate: green"):
        # Publishing begins a moment after that line.
        standing.editions()
    else:
        standing.assert_old()


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(table, marks=pytest.mark.exhaustive if "exp_redis" in table else ())
        for table in REPLACED
    ],
)
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


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(table, marks=() if table in FIRST_AND_LAST else pytest.mark.exhaustive)
        for table in WRITTEN
    ],
)
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
    lab.assert_pending(REDIS, DOTENV, either=FILES)
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
    lab.assert_pending(REDIS, DOTENV, either=FILES)
    lab.converge()


def waits_to_write(client: object) -> bool:
    listed = client.client_list()  # type: ignore[attr-defined]
    return any(one["flags"] != "N" and "b" in one["flags"] for one in listed)


# --- amid the writing of `.env`, by the sync itself ------------------------------------------

# The kernel ends a process that writes beyond the size that its files may have, in mid-write;
# Python would ignore that.
ENDED_IN_A_WRITE = """
import resource, runpy, signal, sys
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
runpy.run_module("warehouse", run_name="__main__", alter_sys=True)
"""
# The interpreter tells of a system call right before it; there the process dies.
KILLED_BEFORE_A_CALL = """
import os, runpy, signal, sys
call, path = sys.argv.pop(1), sys.argv.pop(1)
def die(event, given):
    if event == call and any(str(one).startswith(path) for one in given):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die)
runpy.run_module("warehouse", run_name="__main__", alter_sys=True)
"""
# Far more than what the sync writes to any other file.
COMMENT = b"# " + b"x" * 8_000_000
HALF = 1_000


def left_in(folder: Path) -> list[Path]:
    """What dead writers left there."""
    return [path for path in folder.rglob("*") if "warehouse-tmp" in path.name]


def test_killed_in_the_middle_of_writing_the_env_file(laboratory: Laboratory) -> None:
    lab = laboratory
    lab.put_back(lab.kept_unexported)
    before = COMMENT + b"\nINSTRUMENTS=1\nLAST=1"
    lab.at.env_file.write_bytes(before)
    wanted = expected.env_with(before, dumps.tokens_of(dumps.next_day(lab.rows), "NIFTY"))
    size = len(before) + HALF
    command = [sys.executable, "-c", ENDED_IN_A_WRITE, str(size)]

    done = lab.at.start_program([*command, "sync", "--source", str(lab.next_dump)]).done()

    assert done.code == -signal.SIGXFSZ, done
    assert lab.at.env_file.read_bytes() == before
    (left,) = left_in(lab.at.env_file.parent)
    assert left.read_bytes() == wanted[:size]
    assert size < len(wanted)
    found = seen_as(lab.at.seen(), env=lab.old.env).editions(lab.old, lab.new)
    assert (found[POSTGRES], found[REDIS]) == ("new", "new")

    lab.at.sync(lab.next_dump).ok()
    assert lab.at.env_file.read_bytes() == wanted
    assert left_in(lab.at.env_file.parent) == []
    assert before in [path.read_bytes() for path in (lab.at.env_file.parent / "backups").iterdir()]
    assert seen_as(lab.at.seen(), env=lab.new.env).differing(lab.new) == []


# The system call before which it dies, the beginning of the path, and what the file then is.
CALLS = {
    "written, not renamed": ("os.rename", ".env", "old"),
    "backed up under no name yet": ("os.link", "backups/.env", "old"),
    "just renamed": ("os.remove", ".env.", "new"),
}


@pytest.mark.parametrize(
    "when",
    [
        pytest.param(when, marks=pytest.mark.exhaustive if number else ())
        for number, when in enumerate(CALLS)
    ],
)
def test_killed_at_a_step_of_writing_the_env_file(laboratory: Laboratory, when: str) -> None:
    lab = laboratory
    lab.put_back(lab.kept_unexported)
    call, start, edition = CALLS[when]
    folder = lab.at.env_file.parent
    command = [sys.executable, "-c", KILLED_BEFORE_A_CALL, call, str(folder / start)]

    done = lab.at.start_program([*command, "sync", "--source", str(lab.next_dump)]).done()

    assert done.code == -signal.SIGKILL, done
    assert len(left_in(folder)) == (edition == "old")
    found = lab.editions()
    assert (found[POSTGRES], found[REDIS], found[DOTENV]) == ("new", "new", edition)
    lab.converge()
    assert left_in(folder) == []
