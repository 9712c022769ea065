"""Landing a dump: from the archived file to committed rows in `staging`, and the ledger's line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from loader.archive import read_archived
from loader.errors import DumpRefused, LandingFailed, LoaderError
from loader.feeds.feed import LINEAGE, Feed
from loader.fetch import Dump
from loader.formats import read_dump
from loader.staging import LOCK_TIMEOUT, create_table

Connection = psycopg.Connection[Any]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Load:
    """One landing of a dump.

    Attributes:
        load_id: its number in `ops.loads`, and in `_load_id` of every row.
        rows: how many rows landed.
        extra_columns: columns that the feed does not know; they landed as text (CSV only).
        warnings: a sentence for each thing that a person should know of.
    """

    load_id: int
    rows: int
    extra_columns: tuple[str, ...]
    warnings: tuple[str, ...]


def ensure_schema(connection: Connection) -> None:
    """Create the loader's schemas and ledger where they are missing."""
    with connection.transaction():
        connection.execute(resources.files("loader").joinpath("schema.sql").read_bytes())


def land(
    connection: Connection,
    dump: Dump,
    feed: Feed,
    *,
    as_of: date,
    started_at: datetime,
    now: Callable[[], datetime],
    on_progress: Progress | None = None,
) -> Load:
    """Land a dump in the feed's staging table, all of it or nothing.

    The ledger's row is committed first, so that a run that dies leaves its trace.

    Args:
        connection: with no transaction open; it is left with none.
        dump: what `fetch` returned.
        feed: whose dump it is.
        as_of: the trading day that the dump describes.
        started_at: when the load began.
        now: the clock.
        on_progress: called with the bytes landed and their total.

    Raises:
        DumpRefused: the dump breaks a rule of `loader.formats`; the ledger says `refused`.
        LandingFailed: PostgreSQL failed or the archived file is gone; the ledger says `failed`,
            unless PostgreSQL could not even take that.
    """
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise ValueError("land() commits: give it a connection that has no transaction open")
    load_id = None
    try:
        load_id = _start(connection, dump, feed, as_of, started_at)
        with connection.transaction():
            load = _replace_table(connection, dump, feed, load_id, on_progress)
            _finish(connection, load_id, "landed", now(), rows=load.rows)
    except BaseException as error:
        known = _as_loader_error(error, dump, feed)
        if load_id is not None:
            _record_failure(connection, load_id, known or error, now())
        if known is None or known is error:
            raise
        raise known from error
    return load


def _record_failure(
    connection: Connection, load_id: int, error: BaseException, finished_at: datetime
) -> None:
    """Say in the ledger how the landing ended, if PostgreSQL can still take it."""
    status = "refused" if isinstance(error, DumpRefused) else "failed"
    is_known = isinstance(error, LoaderError)
    text = str(error) if is_known else f"the landing was ended by {type(error).__name__}"
    with suppress(psycopg.Error), connection.transaction():
        _finish(connection, load_id, status, finished_at, error=text)


def _as_loader_error(error: BaseException, dump: Dump, feed: Feed) -> LoaderError | None:
    if isinstance(error, psycopg.errors.BadCopyFileFormat):
        error = _ragged_row(dump, feed) or error
    if isinstance(error, DumpRefused):
        return error.about(dump.source)
    if isinstance(error, LoaderError):
        return error
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return LandingFailed(
            f"staging.{feed.table} is held by another session for more than {LOCK_TIMEOUT}",
            expected="a staging table that nobody reads in a long transaction",
        )
    if isinstance(error, psycopg.Error):
        reason = str(error).partition("\n")[0] or type(error).__name__
        return LandingFailed(
            f"PostgreSQL could not land the {feed.title} dump: {reason}",
            expected="a PostgreSQL that is up, with room for the dump",
        )
    if isinstance(error, OSError):
        return LandingFailed(
            f"the archived dump could not be read: {error}", expected="the file that was fetched"
        )
    return None


def _ragged_row(dump: Dump, feed: Feed) -> LoaderError | None:
    """Find the line that COPY stumbled over: ragged rows whose commas even out get that far."""
    try:
        for _ in read_dump(read_archived(dump.path), feed, 0, is_exact=True).blocks():
            pass
    except LoaderError as refusal:
        return refusal
    return None


def _start(
    connection: Connection, dump: Dump, feed: Feed, as_of: date, started_at: datetime
) -> int:
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(
            """
            insert into ops.loads (
                feed, source, sha256, bytes, as_of_date, landing_path, started_at, status,
                etag, last_modified
            )
            values (%s, %s, %s, %s, %s, %s, %s, 'started', %s, %s)
            returning load_id
            """,
            (
                feed.name, dump.source, dump.sha256, dump.size, as_of, str(dump.path), started_at,
                dump.etag, dump.last_modified,
            ),
        ).fetchone()  # fmt: skip
    if row is None:
        raise RuntimeError("insert ... returning gave no row")
    return int(row[0])


def _finish(
    connection: Connection,
    load_id: int,
    status: str,
    finished_at: datetime,
    *,
    rows: int | None = None,
    error: str | None = None,
) -> None:
    connection.execute(
        "update ops.loads set status = %s, finished_at = %s, rows = %s, error = %s"
        " where load_id = %s",
        (status, finished_at, rows, error, load_id),
    )


def _replace_table(
    connection: Connection, dump: Dump, feed: Feed, load_id: int, on_progress: Progress | None
) -> Load:
    digest = _Digest()
    reading = read_dump(digest.watch(read_archived(dump.path)), feed, load_id)
    table = sql.Identifier("staging", feed.table)
    create_table(connection, feed, given=reading.columns, extra=reading.extra_columns)
    rows, done = 0, 0
    # Frozen rows are written once, and need no second writing when they are first read.
    statement = sql.SQL(
        "copy {} ({}) from stdin with (format text, delimiter {}, freeze true, encoding 'UTF8')"
    ).format(
        table,
        sql.SQL(", ").join(map(sql.Identifier, (*LINEAGE, *reading.columns))),
        sql.Literal(reading.delimiter),
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in reading.blocks():
            copy.write(block.payload)
            rows += block.rows
            done += block.size
            if on_progress:
                on_progress(done, dump.size)
    if digest.hexdigest() != dump.sha256:
        raise _other_file(f"its sha256 is no longer {dump.sha256}")
    # The planner needs the number of rows; a full sample of 14 columns costs as much as the COPY.
    connection.execute("set local default_statistics_target = 2")
    connection.execute(sql.SQL("analyze {}").format(table))
    return Load(load_id, rows, reading.extra_columns, reading.warnings)


def _other_file(seen: str) -> LandingFailed:
    return LandingFailed(
        f"the archived dump changed since it was fetched: {seen}",
        expected="the bytes that were fetched",
    )


class _Digest:
    """The sha256 of a stream, taken as it passes."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass the chunks on.

        Raises:
            LandingFailed: the archived file was damaged since it was fetched.
        """
        try:
            for chunk in chunks:
                self._digest.update(chunk)
                yield chunk
        except DumpRefused as damage:
            raise _other_file(damage.seen) from None

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
