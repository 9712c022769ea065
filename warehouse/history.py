"""What history says of an instrument on a day, and of what was asked and is not one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from loader.feeds import FEEDS
from warehouse.errors import UsageError

SUGGESTIONS = 5

Row = dict[str, Any]

Answer = Literal["found", "several", "conflict", "none", "before history"]

# By the id, by a broker's exchange and symbol, by a broker's exchange and token: whatever was
# asked. A row in conflict has no instrument.
_MATCHES = """
select instrument_id, broker, exchange, broker_token, tradingsymbol
from (
    select
        instrument_id, null as broker, exchange, null as broker_token, tradingsymbol,
        valid_from, valid_to, expiry_date
    from history.instrument_versions
    where superseded_by is null and canonical_id = %(asked)s
    union all
    select
        instrument_id, broker, exchange, broker_token, tradingsymbol, valid_from, valid_to,
        expiry_date
    from history.broker_instrument_versions
    where
        superseded_by is null
        and (%(broker)s::text is null or broker = %(broker)s)
        and (%(exchange)s::text is null or exchange = %(exchange)s)
        and (
            tradingsymbol = %(symbol)s
            or (broker_token = %(symbol)s and broker = coalesce(%(broker)s, 'kite'))
        )
) as matches
where
    valid_from <= %(at)s and (valid_to is null or valid_to > %(at)s)
    -- On a day without a publication, what had expired is over.
    and (
        expiry_date is null or expiry_date >= %(at)s
        or %(at)s in (select as_of_date from ops.publications)
    )
order by instrument_id, broker nulls first, exchange, broker_token
"""

_SINCE_THEN = """
select
    event_id, publication_id, as_of_date, event, instrument_id, canonical_id, broker,
    broker_token, old_value, new_value, is_active
from history.instrument_events
where superseded_by is null and as_of_date > %(at)s and instrument_id = %(instrument_id)s
order by as_of_date, event_id
"""

_BEGINS = "select min(valid_from) from history.instrument_versions where superseded_by is null"

# As it was spelled that day.
_NEAR = """
select distinct b.exchange || ':' || b.tradingsymbol
from history.broker_instrument_versions as b
where
    b.superseded_by is null
    and b.valid_from <= %(at)s and (b.valid_to is null or b.valid_to > %(at)s)
    and (%(broker)s::text is null or b.broker = %(broker)s)
    and starts_with(b.tradingsymbol, %(beginning)s)
limit 20000
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """An instrument as it was on a day, or why there is not one to tell of.

    Attributes:
        asked: what was asked for.
        at: the day.
        answer: `found`; `several` instruments are called so; `conflict`, a broker lists it and
            nobody can say which instrument it is; `none`; or the day is `before history`.
        instrument: its version of that day; empty when nothing was found.
        brokers: how each broker spelled and numbered it that day; of a conflict, those rows.
        versions: all its versions, the oldest first.
        events: what happened to it after the day.
        several: the instruments that are called so, each with its exchange and symbol.
        suggestions: what was spelled nearly so that day, when nothing was found.
        begins: the first day of history, when nothing was found.
        ends: the last day of history, when the day is after it.
    """

    asked: str
    at: date
    answer: Answer
    instrument: Row
    brokers: Sequence[Row] = ()
    versions: Sequence[Row] = ()
    events: Sequence[Row] = ()
    several: Sequence[Row] = ()
    suggestions: Sequence[str] = ()
    begins: date | None = None
    ends: date | None = None

    @property
    def is_found(self) -> bool:
        """Whether there was such an instrument that day."""
        return self.answer == "found"

    def facts(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "asked": self.asked,
            "at": self.at,
            "answer": self.answer,
            "instrument": self.instrument or None,
            "brokers": list(self.brokers),
            "versions": list(self.versions),
            "events": list(self.events),
            "several": list(self.several),
            "suggestions": list(self.suggestions),
            "history_begins": self.begins,
            "history_ends": self.ends,
        }


def look_up(
    connection: psycopg.Connection, asked: str, *, at: date | None, broker: str | None
) -> Looked:
    """Find an instrument by canonical id, symbol or token, as of a day.

    Args:
        connection: an autocommit connection.
        asked: as typed; a symbol or a token may have its exchange before it, as in `NSE:1333`. A
            token is Kite's unless a broker is named.
        at: the day; by default that of the last publication.
        broker: whose symbol or token it is; by default anybody's symbol.

    Raises:
        UsageError: nothing has been published with history yet, or there is no such broker.
    """
    if broker is not None and broker not in FEEDS:
        raise UsageError(f"--broker {broker!r} is none of the brokers: {', '.join(FEEDS)}.")
    last = last_day(connection)
    day = at or last
    found = _look_up(connection, asked, day, broker)
    return replace(found, ends=last) if day > last else found


def _look_up(connection: psycopg.Connection, asked: str, day: date, broker: str | None) -> Looked:
    with connection.cursor(row_factory=dict_row) as cursor:
        matches = cursor.execute(_MATCHES, _parameters(asked, day, broker)).fetchall()
        found = list(dict.fromkeys(row["instrument_id"] for row in matches))
        which = [number for number in found if number is not None]
        if len(which) == 1:
            return _found(cursor, asked, day, which[0])
        if which:
            return Looked(asked, day, "several", {}, several=_several(cursor, matches, which, day))
    if matches:
        return Looked(asked, day, "conflict", {}, brokers=matches)
    row = connection.execute(_BEGINS).fetchone()
    begins = row[0] if row else None
    if begins is not None and day < begins:
        return Looked(asked, day, "before history", {}, begins=begins)
    near = _near(connection, asked, day, broker)
    return Looked(asked, day, "none", {}, suggestions=near, begins=begins)


def last_day(connection: psycopg.Connection) -> date:
    """The day of the last publication.

    Raises:
        UsageError: nothing has been published with history yet.
    """
    require_history(connection)
    row = connection.execute(
        "select as_of_date from ops.publications order by publication_id desc limit 1"
    ).fetchone()
    assert row is not None  # noqa: S101  # there is history, so there was a publication
    day: date = row[0]
    return day


def require_history(connection: psycopg.Connection) -> None:
    """Raises UsageError unless something has been published with history."""
    row = connection.execute("select to_regclass('history.instrument_versions')").fetchone()
    if row is None or row[0] is None:
        raise UsageError("Nothing has been published yet: run `warehouse sync` first.")


def _found(cursor: psycopg.Cursor[Row], asked: str, day: date, which: int) -> Looked:
    versions = _rows(cursor, "instrument_versions", which)
    brokers = _rows(cursor, "broker_instrument_versions", which)
    then = [row for row in versions if _holds(row, day)]
    events = cursor.execute(_SINCE_THEN, {"at": day, "instrument_id": which}).fetchall()
    return Looked(
        asked,
        day,
        "found",
        then[0],
        [row for row in brokers if _holds(row, day)],
        versions,
        events,
    )


def _several(
    cursor: psycopg.Cursor[Row], matches: Sequence[Row], which: Sequence[int], day: date
) -> list[Row]:
    """What each of them is called, and by which broker's row it was found."""
    told = []
    for number in which:
        versions = _rows(cursor, "instrument_versions", number)
        then = next((row for row in versions if _holds(row, day)), {})
        by = next(row for row in matches if row["instrument_id"] == number)
        told.append({"canonical_id": then.get("canonical_id"), **by})
    return told


def _parameters(asked: str, at: date, broker: str | None) -> Mapping[str, object]:
    exchange, colon, symbol = asked.partition(":")
    return {
        "asked": asked,
        "exchange": exchange if colon else None,
        "symbol": symbol if colon else asked,
        "broker": broker,
        "at": at,
    }


def _rows(cursor: psycopg.Cursor[Row], view: str, instrument_id: int) -> list[Row]:
    query = sql.SQL(
        "select * from {} where instrument_id = %s and superseded_by is null order by valid_from"
    ).format(sql.Identifier("history", view))
    return cursor.execute(query, [instrument_id]).fetchall()


def _holds(row: Row, day: date) -> bool:
    return bool(row["valid_from"] <= day and (row["valid_to"] is None or row["valid_to"] > day))


def _near(connection: psycopg.Connection, asked: str, day: date, broker: str | None) -> list[str]:
    """Symbols of that day that begin alike, the likeliest first."""
    exchange, colon, rest = asked.upper().partition(":")
    symbol = rest if colon else exchange
    match = re.match(r"[A-Z&]{1,4}", symbol)
    if match is None:
        return []
    parameters = {"broker": broker, "beginning": match[0], "at": day}
    names = [name for (name,) in connection.execute(_NEAR, parameters).fetchall()]
    wanted = asked.upper() if colon else symbol
    by_shown = {name if colon else name.partition(":")[2]: name for name in names}
    close = difflib.get_close_matches(wanted, by_shown, n=SUGGESTIONS, cutoff=0.5)
    return [by_shown[shown] for shown in close]
