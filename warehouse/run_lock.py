"""One sync at a time: a session advisory lock of PostgreSQL, which dies with its owner."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
        owner = _owner(connection)
        if owner is None or not owner["is_dead"] or time.monotonic() > deadline:
            raise AnotherSyncRunning(_told(owner))
        if owner["backend"] is not None:
            connection.execute("select pg_terminate_backend(%s)", (owner["backend"],))
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (LOCK_KEY,))


def _try(connection: psycopg.Connection) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s)", (LOCK_KEY,)).fetchone()
    return bool(row and row[0])


def _owner(connection: psycopg.Connection) -> dict[str, object] | None:
    """Who holds the lock: the server's session of the run that is written as running."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """
            select runs.host, runs.pid, runs.started_at, runs.command, held.pid as backend
            from ops.sync_runs as runs
            left join (
                select pid from pg_locks
                where locktype = 'advisory' and objsubid = 1 and granted
                    and ((classid::bigint << 32) | objid::bigint) = %s
                    and database = (select oid from pg_database where datname = current_database())
            ) as held on true
            where runs.status = 'running'
            order by runs.started_at desc
            limit 1
            """,
            (LOCK_KEY,),
        ).fetchone()
    if row is None:
        return None
    row["is_dead"] = is_dead(row)
    return row


def is_dead(run: Mapping[str, Any]) -> bool:
    """Whether a run's process is known to be gone; of another host nothing is known."""
    return run["host"] == socket.gethostname() and not _lives(int(run["pid"]))


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


def _told(owner: dict[str, object] | None) -> str:
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
