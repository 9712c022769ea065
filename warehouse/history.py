"""What history says: an instrument on a day, and what changed since a day."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from warehouse.errors import UsageError

SUGGESTIONS = 5

Row = dict[str, Any]

_EVENTS = """
select
    event_id, publication_id, as_of_date, event, instrument_id, canonical_id, broker,
    broker_token, old_value, new_value, is_active
from history.instrument_events
where superseded_by is null and as_of_date >= %(since)s
    and (%(instrument_id)s::bigint is null or instrument_id = %(instrument_id)s)
order by as_of_date, event_id
"""

# By the id, by a broker's exchange and symbol, by a broker's token: whatever was asked.
_FOUND = """
select distinct instrument_id
from (
    select instrument_id, valid_from, valid_to from history.instrument_versions
    where superseded_by is null and canonical_id = %(asked)s
    union all
    select instrument_id, valid_from, valid_to from history.broker_instrument_versions
    where
        superseded_by is null and instrument_id is not null
        and (%(broker)s::text is null or broker = %(broker)s)
        and (
            (tradingsymbol = %(symbol)s and (%(exchange)s::text is null or exchange = %(exchange)s))
            or (broker_token = %(token)s and broker = coalesce(%(broker)s, 'kite'))
        )
) as matches
where valid_from <= %(at)s and (valid_to is null or valid_to > %(at)s)
order by instrument_id
"""

_NEAR = """
select distinct b.exchange || ':' || b.tradingsymbol
from marts.broker_instruments as b
where
    (%(broker)s::text is null or b.broker = %(broker)s)
    and starts_with(b.tradingsymbol, %(beginning)s)
limit 20000
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """An instrument as it was on a day.

    Attributes:
        asked: what was asked for.
        at: the day.
        instrument: its version of that day; empty when nothing was found.
        brokers: how each broker spelled and numbered it that day.
        versions: all its versions, the oldest first.
        events: what happened to it after the day.
        suggestions: what is spelled nearly so, when nothing was found.
    """

    asked: str
    at: date
    instrument: Row
    brokers: Sequence[Row] = ()
    versions: Sequence[Row] = ()
    events: Sequence[Row] = ()
    suggestions: Sequence[str] = ()

    @property
    def is_found(self) -> bool:
        """Whether there was such an instrument that day."""
        return bool(self.instrument)

    def facts(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "asked": self.asked,
            "at": self.at,
            "instrument": self.instrument or None,
            "brokers": list(self.brokers),
            "versions": list(self.versions),
            "events": list(self.events),
            "suggestions": list(self.suggestions),
        }


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened on and after a day."""

    since: date
    events: Sequence[Row]

    @property
    def groups(self) -> list[Row]:
        """How often what happened where, and how often to a subscription."""
        counts: dict[tuple[str, str], list[int]] = {}
        for event in self.events:
            exchange = str(event["canonical_id"]).partition(":")[0]
            count = counts.setdefault((event["event"], exchange), [0, 0])
            count[0] += 1
            count[1] += bool(event["is_active"])
        return [
            {"event": event, "exchange": exchange, "changed": all_, "of_subscriptions": active}
            for (event, exchange), (all_, active) in sorted(counts.items())
        ]

    def facts(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"since": self.since, "groups": self.groups, "events": list(self.events)}


def look_up(
    connection: psycopg.Connection, asked: str, *, at: date | None, broker: str | None
) -> Looked:
    """Find an instrument by canonical id, EXCHANGE:SYMBOL, symbol or token, as of a day.

    Args:
        connection: an autocommit connection.
        asked: as typed; a token is Kite's unless a broker is named.
        at: the day; by default that of the last publication.
        broker: whose symbol or token it is; by default anybody's symbol.

    Raises:
        UsageError: nothing has been published with history yet.
    """
    day = at or _last_day(connection)
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_FOUND, _parameters(asked, day, broker)).fetchall()
        if len(found) != 1:
            near = [] if found else _near(connection, asked, broker)
            several = [_spelled(cursor, one["instrument_id"], day) for one in found]
            return Looked(asked, day, {}, suggestions=several or near)
        which = found[0]["instrument_id"]
        versions = _rows(cursor, "instrument_versions", which)
        then = next(row for row in versions if _holds(row, day))
        brokers = [row for row in _rows(cursor, "broker_instrument_versions", which)
                   if _holds(row, day)]  # fmt: skip
        events = cursor.execute(_EVENTS, {"since": day, "instrument_id": which}).fetchall()
    later = [event for event in events if event["as_of_date"] > day]
    return Looked(asked, day, then, brokers, versions, later)


def changes_since(connection: psycopg.Connection, since: date | None) -> Changes:
    """The events of a day and of all after it; by default of the last publication's day.

    Raises:
        UsageError: nothing has been published with history yet.
    """
    day = since or _last_day(connection)
    _require_history(connection)
    with connection.cursor(row_factory=dict_row) as cursor:
        events = cursor.execute(_EVENTS, {"since": day, "instrument_id": None}).fetchall()
    return Changes(day, events)


def _parameters(asked: str, at: date, broker: str | None) -> Mapping[str, object]:
    exchange, colon, symbol = asked.partition(":")
    return {
        "asked": asked,
        "exchange": exchange if colon else None,
        "symbol": symbol if colon else asked,
        "token": asked,
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


def _spelled(cursor: psycopg.Cursor[Row], instrument_id: int, day: date) -> str:
    rows = _rows(cursor, "instrument_versions", instrument_id)
    return next((str(row["canonical_id"]) for row in rows if _holds(row, day)), "")


def _near(connection: psycopg.Connection, asked: str, broker: str | None) -> list[str]:
    """Symbols of today that begin alike, the likeliest first."""
    exchange, colon, rest = asked.upper().partition(":")
    symbol = rest if colon else exchange
    match = re.match(r"[A-Z&]{1,4}", symbol)
    if match is None:
        return []
    parameters = {"broker": broker, "beginning": match[0]}
    names = [name for (name,) in connection.execute(_NEAR, parameters).fetchall()]
    wanted = asked.upper() if colon else symbol
    by_shown = {name if colon else name.partition(":")[2]: name for name in names}
    close = difflib.get_close_matches(wanted, by_shown, n=SUGGESTIONS, cutoff=0.5)
    return [by_shown[shown] for shown in close]


def _last_day(connection: psycopg.Connection) -> date:
    _require_history(connection)
    row = connection.execute(
        "select as_of_date from ops.publications order by publication_id desc limit 1"
    ).fetchone()
    assert row is not None  # noqa: S101  # there is history, so there was a publication
    day: date = row[0]
    return day


def _require_history(connection: psycopg.Connection) -> None:
    row = connection.execute("select to_regclass('history.instrument_versions')").fetchone()
    if row is None or row[0] is None:
        raise UsageError("Nothing has been published yet: run `warehouse sync` first.")
