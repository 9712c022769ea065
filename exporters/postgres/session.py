"""How a publication talks to PostgreSQL: its transaction, its settings, its waits, its failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from exporters.errors import DestinationRefused, DestinationUnavailable

Connection: TypeAlias = psycopg.Connection[Any]
Cursor: TypeAlias = psycopg.Cursor[tuple[Any, ...]]

UNCHANGED = "Nothing was changed: consumers see what they saw"

# Held by whoever publishes, captures overrides or rolls back, until the transaction ends.
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtextextended('exporters.publications', 0))"

# Work memory of 64 MB holds a full-size table (125,000 rows of 150 bytes) in one hash; JIT
# compiles longer than these queries run; the few rows that differ are looked up by their keys
# in tables that were read a moment ago, not found by reading them once more.
_SETTINGS = {
    "work_mem": "64MB",
    "jit": "off",
    "random_page_cost": "1.1",
    "statement_timeout": "0",
}

_HOLDERS = """
select string_agg(distinct format(
    'pid %%s (%%s, %%s, %%s since %%s)', a.pid, a.usename, coalesce(nullif(a.application_name, ''),
    'no application name'), a.state, to_char(a.xact_start, 'HH24:MI:SS')), '; ')
from pg_locks as l
inner join pg_stat_activity as a on a.pid = l.pid
where l.granted and l.relation = to_regclass(%s) and l.pid <> pg_backend_pid()
"""


@contextmanager
def publishing(connection: Connection, *, lock_timeout_ms: int) -> Iterator[Cursor]:
    """A transaction that no other publication runs beside; committed at the end of the block.

    Args:
        connection: In autocommit or not; a transaction that it is in is committed first.
        lock_timeout_ms: How long any lock is waited for, milliseconds.

    Raises:
        psycopg.ProgrammingError: The connection is in a `transaction()` block: ours could not
            commit.
        DestinationUnavailable: PostgreSQL went away, is full, or somebody holds a lock.
        DestinationRefused: A value or the shape of a table does not fit, or a right is missing.
    """
    if connection.info.transaction_status is TransactionStatus.INTRANS:
        # Ours has to begin with a fresh view of the tables, and to commit by itself.
        connection.commit()
    is_done = False
    try:
        with translated_failures(), connection.transaction():
            cursor = connection.cursor(row_factory=tuple_row)
            # Each statement must see what was committed while we waited for a lock.
            cursor.execute("set transaction isolation level read committed")
            _set(cursor, _SETTINGS | {"lock_timeout": str(lock_timeout_ms)})
            with waiting_for("another publication", None, cursor):
                cursor.execute(_ONE_AT_A_TIME)
            yield cursor
            is_done = True
    except DestinationUnavailable as error:
        if is_done and connection.closed:
            raise _perhaps_committed() from error
        raise


def _perhaps_committed() -> DestinationUnavailable:
    return DestinationUnavailable(
        "PostgreSQL went away while it committed the publication",
        consumers="Consumers see the publication before or this one, whole: `warehouse status` "
        "says which",
        remedy="Run the same command again when PostgreSQL is well",
    )


@contextmanager
def waiting_for(what: str, relation: str | None, cursor: Cursor) -> Iterator[None]:
    """Turn a lock that is not given in time into a refusal that names who holds it.

    Args:
        what: What is waited for, for the message.
        relation: The relation whose holders are looked up, as SQL text.
        cursor: Inside its transaction, which goes on in either case.

    Raises:
        DestinationUnavailable: The lock was not given in time.
    """
    try:
        with cursor.connection.transaction():
            yield
    except errors.LockNotAvailable as error:
        holders = None
        if relation is not None:
            holders = _one(cursor, _HOLDERS, [relation])
        raise DestinationUnavailable(
            f"no lock for {what} in time" + (f": held by {holders}" if holders else ""),
            consumers=UNCHANGED,
            remedy="Run the same command again when they are done, or end their sessions",
        ) from error


@contextmanager
def settings(cursor: Cursor, **values: str) -> Iterator[None]:
    """Settings for the block only; user triggers and functions never run under them."""
    names = list(values)
    before = {name: _one(cursor, "select current_setting(%s)", [name]) for name in names}
    _set(cursor, values)
    yield
    _set(cursor, before)


@contextmanager
def translated_failures() -> Iterator[None]:
    """Turn psycopg's errors into the exporters'."""
    try:
        yield
    except (
        psycopg.OperationalError,  # connection lost, disk full, lock or deadlock, server stopping
        psycopg.InterfaceError,
        errors.ReadOnlySqlTransaction,
    ) as error:
        raise DestinationUnavailable(
            f"PostgreSQL stopped the publication: {_told(error)}",
            consumers=UNCHANGED,
            remedy="Run the same command again when PostgreSQL is well",
        ) from error
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        raise DestinationRefused(
            f"PostgreSQL refused a row: {_told(error)}",
            consumers=UNCHANGED,
            remedy="Change the constraint or the rows that it names, then publish again",
        ) from error
    except (
        errors.InsufficientPrivilege,
        errors.FeatureNotSupported,
        errors.RaiseException,  # a trigger of somebody's
        errors.GeneratedAlways,
    ) as error:
        raise DestinationRefused(
            f"PostgreSQL refused a statement: {_told(error)}",
            consumers=UNCHANGED,
            remedy="Grant the right or change the object that it names, then publish again",
        ) from error


def database_time(cursor: Cursor) -> datetime:
    """The instant at which the transaction began, aware."""
    instant: datetime = _one(cursor, "select now()", [])
    return instant


class Stopwatch:
    """Seconds by stage.

    Args:
        clock: A monotonic count of seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to a stage."""
        started = self._clock()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._clock() - started


def _set(cursor: Cursor, values: dict[str, str]) -> None:
    for name, value in values.items():
        cursor.execute("select set_config(%s, %s, true)", [name, value])


def _one(cursor: Cursor, query: str, parameters: list[Any]) -> Any:
    row = cursor.execute(query, parameters).fetchone()
    return row[0] if row else None


def _told(error: psycopg.Error) -> str:
    """The server's message with its names, on one line, cut: a row may be long."""
    detail = error.diag.message_detail
    where = ".".join(
        name for name in (error.diag.schema_name, error.diag.table_name) if name is not None
    )
    parts = [str(error.diag.message_primary or error).strip(), detail or "", where]
    return " - ".join(" ".join(part.split())[:300] for part in parts if part)
