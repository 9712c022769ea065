"""What changed from one day to another: counted by PostgreSQL, told one by one as it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from loader.feeds import FEEDS
from warehouse.errors import UsageError
from warehouse.history import Row, last_day, require_history

EVENTS = (
    "listed", "relisted", "delisted", "expired", "renamed", "series_changed", "token_moved",
    "token_reused", "strike_adjusted", "expiry_revised", "lot_changed", "tick_changed",
)  # fmt: skip
# How many rows go from PostgreSQL to us at a time.
_BATCH = 5_000

_PICKED = sql.SQL("""
from history.instrument_events as e
where
    e.superseded_by is null
    and e.as_of_date >= %(since)s
    and (%(until)s::date is null or e.as_of_date <= %(until)s)
    and (%(events)s::text[] is null or e.event = any(%(events)s))
    and (%(broker)s::text is null or e.broker = %(broker)s)
""")

# The id names the exchange, but of an index.
_GROUPS = sql.SQL("""
select
    e.event,
    case
        when e.canonical_id like 'INDEX:%%' then coalesce((
            select v.exchange from history.instrument_versions as v
            where v.instrument_id = e.instrument_id
            order by v.valid_from desc
            limit 1
        ), 'INDEX')
        else split_part(e.canonical_id, ':', 1)
    end as exchange,
    count(*) as changed,
    count(*) filter (where e.is_active) as of_subscriptions
{picked}
group by 1, 2
order by 1, 2
""")

_EACH = sql.SQL("""
select
    e.event_id, e.publication_id, e.as_of_date, e.event, e.instrument_id, e.canonical_id, e.broker,
    e.broker_token, e.old_value, e.new_value, e.is_active
{picked} {only}
order by e.as_of_date, e.event_id
""")

_SUBSCRIPTIONS = sql.SQL("and e.is_active")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which changes: of a day and of all after it, unless it is said until when.

    Attributes:
        since: the first day.
        until: the last day; by default the last that there is.
        events: which kinds; by default all.
        broker: only what is a broker's own; by default everything.
    """

    since: date
    until: date | None = None
    events: tuple[str, ...] = ()
    broker: str | None = None

    def parameters(self) -> dict[str, object]:
        """As the queries take them."""
        return {
            "since": self.since,
            "until": self.until,
            "events": list(self.events) or None,
            "broker": self.broker,
        }


def ask(
    connection: psycopg.Connection,
    *,
    since: date | None,
    until: date | None = None,
    events: Sequence[str] = (),
    broker: str | None = None,
) -> Asked:
    """Which changes are asked for; by default those of the last publication's day.

    Raises:
        UsageError: nothing has been published yet, the days are the wrong way round, or there is
            no such event or broker.
    """
    require_history(connection)
    unknown = [event for event in events if event not in EVENTS]
    if unknown:
        raise UsageError(f"--event {unknown[0]!r} is none of the events: {', '.join(EVENTS)}.")
    if broker is not None and broker not in FEEDS:
        raise UsageError(f"--broker {broker!r} is none of the brokers: {', '.join(FEEDS)}.")
    first = since or min(last_day(connection), until or date.max)
    if until is not None and until < first:
        raise UsageError(f"--until {until} is before --since {first}.")
    return Asked(first, until, tuple(events), broker)


def groups(connection: psycopg.Connection, asked: Asked) -> list[Row]:
    """How often what happened where, and how often to a subscription."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            _GROUPS.format(picked=_PICKED), asked.parameters()
        ).fetchall()  # fmt: skip


def each(
    connection: psycopg.Connection, asked: Asked, *, of_subscriptions: bool = False
) -> Iterator[Row]:
    """The events one by one, in their order; a year of them takes no more memory than a day."""
    only = _SUBSCRIPTIONS if of_subscriptions else sql.SQL("")
    query = _EACH.format(picked=_PICKED, only=only)
    with (
        connection.transaction(),
        connection.cursor("changes", row_factory=dict_row) as cursor,
    ):
        cursor.itersize = _BATCH
        yield from cursor.execute(query, asked.parameters())


def document(connection: psycopg.Connection, asked: Asked) -> dict[str, Any]:
    """Plain values for `--json`, all events included."""
    return {
        "since": asked.since,
        "until": asked.until,
        "groups": groups(connection, asked),
        "events": list(each(connection, asked)),
    }
