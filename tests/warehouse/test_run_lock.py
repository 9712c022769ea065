from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from warehouse import database
from warehouse.errors import AnotherSyncRunning
from warehouse.ledger import Run
from warehouse.run_lock import run_lock

NOW = datetime(2026, 8, 17, 3, 10, tzinfo=UTC)

HOLDER = """
import sys, psycopg
from datetime import UTC, datetime
from warehouse import database
from warehouse.ledger import Run
from warehouse.run_lock import run_lock
connection = psycopg.connect(database.session_dsn(sys.argv[1]), autocommit=True)
with run_lock(connection):
    now = datetime(2026, 8, 17, tzinfo=UTC)
    Run.start(connection, run_id="other", command="sync", started_at=now)
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(dsn: str, project: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, dsn],
        env={**os.environ, "PYTHONPATH": str(project)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_leaves_naming_host_pid_and_since(
    ledger: psycopg.Connection, postgres_dsn: str, project: Path
) -> None:
    with hold(postgres_dsn, project) as process:
        with pytest.raises(AnotherSyncRunning) as raised, run_lock(ledger):
            pytest.fail("two held the lock")
        process.communicate("")
    assert raised.value.exit_code == 6
    for told in (socket.gethostname(), f"pid {process.pid}", "2026-08-17 00:00:00 UTC"):
        assert told in str(raised.value)
    with run_lock(ledger):
        pass


def test_a_killed_owners_lock_is_taken_over_and_the_ledger_says_it_died(
    ledger: psycopg.Connection, postgres_dsn: str, project: Path
) -> None:
    with hold(postgres_dsn, project) as process:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with run_lock(ledger):
        Run.start(ledger, run_id="mine", command="sync", started_at=NOW)
    rows = ledger.execute("select run_id, status, finished_at from ops.sync_runs order by 1")
    assert rows.fetchall() == [("mine", "running", None), ("other", "died", NOW)]


def test_a_dead_owner_whose_session_lives_on_is_cut_off(
    ledger: psycopg.Connection, postgres_dsn: str
) -> None:
    """A killed process on a server that has not noticed: the session is ended, not waited for."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dsn = database.session_dsn(postgres_dsn)
    with psycopg.connect(dsn, autocommit=True) as zombie, run_lock(zombie):
        Run.start(zombie, run_id="other", command="sync", started_at=NOW)
        zombie.execute("update ops.sync_runs set pid = %s", (gone.pid,))
        with run_lock(ledger):
            pass
        with pytest.raises(psycopg.OperationalError):
            zombie.execute("select 1")


def test_a_sync_in_a_container_of_the_same_name_is_not_dead(
    ledger: psycopg.Connection, postgres_dsn: str
) -> None:
    """Its process number means something else there, so nothing is known of it here."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dsn = database.session_dsn(postgres_dsn)
    with psycopg.connect(dsn, autocommit=True) as other, run_lock(other):
        Run.start(other, run_id="other", command="sync", started_at=NOW)
        other.execute(
            "update ops.sync_runs set pid = %s, process_space = 'boot pid:[1]'", (gone.pid,)
        )
        with pytest.raises(AnotherSyncRunning, match=f"pid {gone.pid}"), run_lock(ledger):
            pytest.fail("two held the lock")
        assert other.execute("select 1").fetchone() == (1,)
        # A run of an older warehouse did not tell where it is.
        other.execute("update ops.sync_runs set process_space = null")
        with run_lock(ledger):
            pass
        with pytest.raises(psycopg.OperationalError):
            other.execute("select 1")


@pytest.mark.parametrize("stale", ["another session", "the same number, another start"])
def test_a_live_sync_is_not_cut_off_for_the_row_of_a_dead_one(
    ledger: psycopg.Connection, postgres_dsn: str, stale: str
) -> None:
    """Between taking the lock and writing its row, a sync has the dead run's row before it."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with psycopg.connect(database.session_dsn(postgres_dsn)) as died:
        Run.start(died, run_id="died", command="sync", started_at=NOW)
        died.execute("update ops.sync_runs set pid = %s", (gone.pid,))
    with psycopg.connect(database.session_dsn(postgres_dsn), autocommit=True) as live:
        if stale != "another session":
            ledger.execute("update ops.sync_runs set backend_pid = %s", (live.info.backend_pid,))
        with run_lock(live):
            with pytest.raises(AnotherSyncRunning, match="just starting"), run_lock(ledger):
                pytest.fail("two held the lock")
            assert live.execute("select 1").fetchone() == (1,)


def test_a_ledger_older_than_the_session_is_brought_up_to_date(
    ledger: psycopg.Connection, postgres_dsn: str
) -> None:
    ledger.execute(
        "alter table ops.sync_runs drop column backend_pid, drop column backend_started_at, "
        "drop column process_space"
    )
    with psycopg.connect(database.session_dsn(postgres_dsn)) as connection:
        database.ensure_schema(connection)
    Run.start(ledger, run_id="mine", command="sync", started_at=NOW)
    row = ledger.execute("select backend_pid from ops.sync_runs").fetchone()
    assert row == (ledger.info.backend_pid,)


def test_a_reader_of_the_ledger_does_not_hold_up_a_command(
    ledger: psycopg.Connection, postgres_dsn: str
) -> None:
    ledger.execute("set lock_timeout = '1s'")
    with psycopg.connect(database.session_dsn(postgres_dsn)) as reader:
        reader.execute("select * from ops.sync_runs")
        database.ensure_schema(ledger)


def test_locks_of_two_databases_of_one_server_are_apart(
    ledger: psycopg.Connection, server_dsn: str
) -> None:
    with psycopg.connect(server_dsn, autocommit=True) as other, run_lock(other), run_lock(ledger):
        pass
