"""Put days before a history that began later, as if they had been published then.

The days are published in a database of their own, up to and with the day on which this history
began. What was written of them there is copied here and tied to what is known: instruments keep
the numbers that they have, versions of the first day reach back, and what was told since as if
nothing had been before is told anew. Nobody's published row is touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from psycopg import sql
from psycopg.rows import tuple_row

from exporters.errors import DestinationRefused
from exporters.postgres import rows
from exporters.postgres.history import earlier_statements as statements
from exporters.postgres.history.events import COLUMNS as EVENT_COLUMNS
from exporters.postgres.history.rewind import first_remembered
from exporters.postgres.history.shape import ensure_history
from exporters.postgres.history.touched import highest_id
from exporters.postgres.history.versioned import SCHEMA, Versioned
from exporters.postgres.request import DEFAULT_LOCK_TIMEOUT_MS
from exporters.postgres.session import UNCHANGED, Connection, Cursor, publishing

_FIRST = "select publication_id, as_of_date from ops.publications order by publication_id limit 1"

_PUBLICATIONS = (
    "publication_id", "as_of_date", "filter", "dump_sha256", "fingerprint", "rows_total", "summary",
)  # fmt: skip
_SPAN = ("valid_from", "valid_to", "publication_id", "closed_by")
_BELIEVED = sql.SQL("superseded_by is null")
_ALL = sql.SQL("true")

# How a row of the copy is told to be one of the first day, one that holds now, and one that ended.
_ROW = {False: ("instrument_id",), True: ("broker", "exchange", "broker_token")}


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was put before a history.

    Attributes:
        days: The days that it has now and had not, the oldest first.
        instruments: How many instruments that it knew reach further back.
        departed: How many it did not know: they had left before it began.
        relisted: Of those that it knew as new, how many had been there before and were gone.
    """

    days: tuple[date, ...]
    instruments: int
    departed: int
    relisted: int


def put_before(
    connection: Connection,
    side: Connection,
    *,
    published_at: datetime,
    run_id: str | None = None,
    lock_timeout_ms: int = DEFAULT_LOCK_TIMEOUT_MS,
) -> Earlier:
    """Copy the history of earlier days out of the database beside, in one transaction.

    Args:
        connection: As for `publish`.
        side: The database beside, in which the days are published in their order, the last of
            them the one with which the history of `connection` began.
        published_at: The instant at which they become known, aware.
        run_id: The run that asks.
        lock_timeout_ms: How long a lock is waited for, milliseconds.

    Raises:
        DestinationRefused: There is no history that the days could be put before; or the last
            of them is not the day on which it began.
        DestinationUnavailable: A PostgreSQL went away, or somebody holds a lock.
    """
    with publishing(connection, lock_timeout_ms=lock_timeout_ms) as cursor:
        history = ensure_history(cursor)
        first = cursor.execute(_FIRST).fetchone()
        if history is None or first is None or first_remembered(cursor, first[0]) != first[0]:
            raise DestinationRefused(
                "publications of before there was a history stand here",
                expected="a history that began with the first publication",
                consumers=UNCHANGED,
                remedy="Days cannot be put before it",
            )
        number, first_day = first
        instruments, brokers = history
        with side.transaction():
            reading = side.cursor(row_factory=tuple_row)
            _copy_all(reading, cursor, instruments, brokers)
        _require_first_day(cursor, first_day)
        parts = {
            "first": sql.Literal(number),
            "first_day": sql.Literal(first_day),
            "published_at": sql.Literal(published_at),
            "run_id": sql.Literal(run_id),
            "highest": sql.Literal(highest_id(cursor)),
            "past": brokers.past,
        }
        for statement in (statements.DAYS, statements.RECORD_DAYS, statements.IDS):
            cursor.execute(statement.format(**parts))
        cursor.execute("analyze earlier_days, earlier_ids")
        _put_versions(cursor, instruments, "instrument", parts)
        _put_versions(cursor, brokers, "broker_instrument", parts)
        cursor.execute(
            statements.EVENTS.format(
                **parts,
                columns=rows.columns(EVENT_COLUMNS),
                values=rows.columns(EVENT_COLUMNS, "t"),
            )
        )
        cursor.execute(statements.RELISTED.format(**parts))
        cursor.execute(statements.REUSED.format(**parts))
        return _told(cursor, first_day)


def _copy_all(reading: Cursor, cursor: Cursor, instruments: Versioned, brokers: Versioned) -> None:
    # One view of the database beside for all that is read of it.
    reading.execute("set transaction isolation level repeatable read, read only")
    _copy(
        reading, cursor, sql.Identifier("ops", "publications"), "side_publications",
        _PUBLICATIONS, where=_ALL,
    )  # fmt: skip
    for versioned, noun, side in (
        (instruments, "instrument", "side_instruments"),
        (brokers, "broker_instrument", "side_brokers"),
    ):
        source = sql.Identifier(SCHEMA, f"{noun}_versions")
        _copy(reading, cursor, source, side, ("instrument_id", *versioned.names, *_SPAN))
    _copy(
        reading, cursor, sql.Identifier(SCHEMA, "instrument_events"), "side_events",
        ("event_id", "publication_id", *EVENT_COLUMNS),
    )  # fmt: skip
    cursor.execute("analyze side_publications, side_instruments, side_brokers, side_events")


def _copy(
    reading: Cursor,
    cursor: Cursor,
    source: sql.Identifier,
    side: str,
    names: Iterable[str],
    *,
    where: sql.Composable = _BELIEVED,
) -> None:
    """Copy a relation's columns into a temporary table, its instruments' numbers as `side_id`."""
    columns = rows.COMMA.join(
        sql.SQL("instrument_id as side_id") if name == "instrument_id" else sql.Identifier(name)
        for name in names
    )
    cursor.execute(
        statements.COPY_OF.format(side=sql.Identifier(side), columns=columns, source=source)
    )
    query = sql.SQL("copy (select {} from {} where {}) to stdout").format(columns, source, where)
    with (
        reading.copy(query) as out,
        cursor.copy(sql.SQL("copy {} from stdin").format(sql.Identifier(side))) as into,
    ):
        for data in out:
            into.write(data)


def _require_first_day(cursor: Cursor, first_day: date) -> None:
    row = cursor.execute("select max(as_of_date) from side_publications").fetchone()
    last = row[0] if row else None
    if last != first_day:
        raise DestinationRefused(
            f"the days beside end with {last}, and history begins with {first_day}",
            expected="days up to and with the one on which history begins",
            consumers=UNCHANGED,
            remedy="Run the backfill again",
        )


def _put_versions(
    cursor: Cursor, versioned: Versioned, noun: str, parts: dict[str, sql.Composable]
) -> None:
    row = _ROW[versioned.is_of_brokers]
    side = "side_brokers" if versioned.is_of_brokers else "side_instruments"
    earlier = "earlier_brokers" if versioned.is_of_brokers else "earlier_instruments"
    # The copy knows an instrument by another number than history.
    of_side = "s" if versioned.is_of_brokers else "i"
    asked = parts | {
        "view": sql.Identifier(SCHEMA, f"{noun}_versions"),
        "side": sql.Identifier(side),
        "earlier": sql.Identifier(earlier),
        "first_rows": sql.Identifier(f"first_{noun}s"),
        "past": versioned.past,
        "current": versioned.current,
        "columns": rows.columns(versioned.names),
        "values": rows.columns(versioned.names, "t"),
        "side_values": rows.columns(versioned.names, "s"),
        "first_values": rows.columns(versioned.names, "f"),
        "row_of_v": rows.columns(row, "v"),
        "same_row": rows.same_key(row, "f", of_side),
        "same_current": rows.same_key(row, "c", "t"),
        "same_past": rows.same_key(row, "p", "t"),
    }
    for statement in (statements.VERSIONS, statements.PUT_BEFORE, statements.REACH_BACK):
        cursor.execute(statement.format(**asked))


def _told(cursor: Cursor, first_day: date) -> Earlier:
    days = cursor.execute(
        "select distinct as_of_date from earlier_days where as_of_date < %s order by 1", [first_day]
    ).fetchall()
    counts = cursor.execute(
        """
        select
            count(*) filter (where s.is_open and not i.is_again),
            count(*) filter (where not s.is_open and not i.is_again),
            count(*) filter (where i.is_again)
        from earlier_ids as i
        inner join (
            select side_id, bool_or(valid_to is null) as is_open, min(valid_from) as begun
            from side_instruments group by side_id
        ) as s on s.side_id = i.side_id
        where s.begun < %s
        """,
        [first_day],
    ).fetchone()
    assert counts is not None  # noqa: S101  # an aggregate has one row
    return Earlier(tuple(day for (day,) in days), *counts)
