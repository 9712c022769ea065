"""One sync at a time: a session advisory lock of PostgreSQL, which dies with its owner."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from warehouse.errors import AnotherSyncRunning

# Any fixed number: it names this lock within the database.
LOCK_KEY = 0x1257_0001

# A killed owner's session lives until the server notices (client_connection_check_interval,
# one second) or, on a dead network, until its keepalives run out.
TAKE_OVER_SECONDS = 15.0
POLL_SECONDS = 0.1


@contextmanager
def run_lock(connection: psycopg.Connection) -> Iterator[None]:
    """Hold the lock on `connection` (autocommit, kept open by the caller).

    Raises:
        AnotherSyncRunning: naming the owner's host, pid and since when.
    """
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    while not _try(connection):
        holder = _holder(connection)
        is_passing = holder is None or holder.is_dead
        if not is_passing or time.monotonic() > deadline:
            raise AnotherSyncRunning(_told(holder.run if holder else None))
        if holder is not None:
            _end(connection, holder.backend_pid)
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (LOCK_KEY,))


def _try(connection: psycopg.Connection) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s)", (LOCK_KEY,)).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True, slots=True)
class _Holder:
    """The server's session that holds the lock, and the running run that is written as its own."""

    backend_pid: int
    run: dict[str, Any] | None

    @property
    def is_dead(self) -> bool:
        return self.run is not None and is_dead(self.run)


_HELD = """
    locktype = 'advisory' and objsubid = 1 and granted
    and ((classid::bigint << 32) | objid::bigint) = %s
    and database = (select oid from pg_database where datname = current_database())
"""


def _holder(connection: psycopg.Connection) -> _Holder | None:
    """Who holds the lock; `None` when it has been given up meanwhile.

    A run is the holder's only if it wrote down this very session. The row of another run that
    died says nothing about who holds the lock now.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"""
            select held.pid as backend_pid, runs.run_id, runs.host, runs.pid,
                runs.process_space, runs.started_at, runs.command
            from (select pid from pg_locks where {_HELD}) as held
            left join pg_stat_activity as sessions on sessions.pid = held.pid
            left join ops.sync_runs as runs
                on runs.status = 'running' and runs.backend_pid = held.pid
                -- Process numbers come back; the start is hidden from a user of fewer rights.
                and coalesce(runs.backend_started_at = sessions.backend_start, true)
            order by runs.started_at desc nulls last
            limit 1
            """,  # noqa: S608  # a constant
            (LOCK_KEY,),
        ).fetchone()
    if row is None:
        return None
    return _Holder(row["backend_pid"], row if row["run_id"] else None)


def _end(connection: psycopg.Connection, backend_pid: int) -> None:
    """End a dead run's session, if it still is the one that holds the lock."""
    connection.execute(
        f"select pg_terminate_backend(pid) from pg_locks where {_HELD} and pid = %s",  # noqa: S608
        (LOCK_KEY, backend_pid),
    )


def process_space() -> str:
    """Where process numbers mean what they mean here: this boot, this container.

    Two machines or containers may have one name. Empty where the system does not tell (macOS).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def is_dead(run: Mapping[str, Any]) -> bool:
    """Whether a run's process is known to be gone; of another place nothing is known.

    Then its session of the server tells: it ends when the connection does.
    """
    is_here = run["host"] == socket.gethostname() and (
        # A run of an older warehouse did not tell.
        run["process_space"] in {None, process_space()}
    )
    return is_here and not _lives(int(run["pid"]))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    import psutil  # noqa: PLC0415

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _told(owner: Mapping[str, Any] | None) -> str:
    if owner is None:
        return (
            "Another sync is just starting on this database. Nothing was changed by this one; "
            "run the command again in a moment."
        )
    return (
        f"Another {owner['command']} is running: host {owner['host']}, pid {owner['pid']}, since "
        f"{owner['started_at']:%Y-%m-%d %H:%M:%S} UTC. Nothing was changed by this one. Wait for "
        f"it to end, or see `warehouse status`."
    )
