"""A year of days through the publisher: what history costs on day 250 against day 5, and its size.

Candidates are made in SQL, at reduced size by default: 10,000 instruments of which each day one in
fifty changes its lot, is adjusted to another strike, leaves or comes. Cost is that of the stage
`history` of a publication, and of the publication as a whole.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import psycopg

from benchmarks.servers import Servers
from exporters.postgres import PublishRequest, prune_undo, publish
from exporters.schema import ensure_schema

FIRST_DAY = date(2026, 1, 1)
ROWS, DAYS = 10_000, 250
FULL = 125_000
WINDOW = 5
KEPT_PUBLICATIONS = 30
TABLES = ("instruments", "broker_instruments", "active_subscriptions", "instrument_continuity")

_MARKET = """
create schema candidate;
create table market (
    number bigint primary key, strike numeric(18, 6) not null, lot_size integer not null
);
create unlogged table candidate.instruments (
    canonical_id text primary key, exchange text not null, segment text not null,
    kind text not null, underlying text not null, tradingsymbol text not null, name text not null,
    option_type text, strike numeric(18, 6), tick_size_inr numeric(18, 6), lot_size integer,
    expiry_date date
);
create unlogged table candidate.broker_instruments (
    broker text, exchange text, broker_token text, instrument_token integer, canonical_id text,
    exchange_token integer, tradingsymbol text not null, name text, segment text,
    instrument_type text, strike numeric(18, 6), tick_size_inr numeric(18, 6), lot_size integer,
    expiry_date date, primary key (broker, exchange, broker_token)
);
create unlogged table candidate.active_subscriptions (
    instrument_token integer primary key, canonical_id text not null, origin text not null
);
create unlogged table candidate.instrument_continuity (
    canonical_id text primary key, continued_canonical_id text, relisted_instrument_id bigint,
    basis text not null
);
create function id_of(number bigint, strike numeric) returns text language sql immutable
as $$ select 'NFO:U' || number || ':2027-12-30:' || trim_scale(strike) || ':CE' $$;
"""

_CANDIDATE = """
truncate candidate.instruments, candidate.broker_instruments, candidate.active_subscriptions;
insert into candidate.instruments
select id_of(number, strike), 'NFO', 'NFO-OPT', 'option', 'U' || number,
    'U' || number || '27DEC' || trim_scale(strike) || 'CE', 'U' || number, 'CE', strike, 0.05,
    lot_size, '2027-12-30'
from market order by number;
insert into candidate.broker_instruments
select 'kite', 'NFO', (number * 256 + 2)::text, number * 256 + 2, id_of(number, strike), number,
    'U' || number || '27DEC' || trim_scale(strike) || 'CE', 'U' || number, 'NFO-OPT', 'CE',
    strike, 0.05, lot_size, '2027-12-30'
from market order by number;
insert into candidate.active_subscriptions
select number * 256 + 2, id_of(number, strike), 'filter' from market where number % 50 = 0;
analyze candidate.instruments; analyze candidate.broker_instruments;
"""

_NEXT_DAY = """
truncate candidate.instrument_continuity;
update market set lot_size = lot_size + 1 where number % 100 = {day} % 100;
insert into candidate.instrument_continuity
select id_of(number, strike + 0.25), id_of(number, strike), null, 'token'
from market where number % 1000 = (7 * {day}) % 1000;
update market set strike = strike + 0.25 where number % 1000 = (7 * {day}) % 1000;
delete from market where number % 200 = (3 * {day} + 1) % 200;
insert into market
select (select max(number) from market) + n, 100, 75
from generate_series(1, {rows} - (select count(*) from market)) as n;
"""


class Lines(Protocol):
    """What the figures are printed with."""

    def line(self, what: str, value: float, limit: float, told: str) -> None:
        """One figure beside its limit."""

    def note(self, text: str) -> None:
        """A heading."""


def measure_all(table: Lines, server: Servers) -> None:
    """What history adds to one publication, and what a year of it adds to each."""
    measure_first(table, server)
    measure(table, server)


def measure(table: Lines, server: Servers, *, rows: int = ROWS, days: int = DAYS) -> None:
    """Run the days and print the ratios and the growth."""
    table.note(f"History: {days} days of {rows:,} instruments, one in fifty touched each day")
    with psycopg.connect(server.fresh("history_bench"), autocommit=True) as connection:
        whole, history = simulate(connection, rows=rows, days=days)
        size, versions = _size(connection)
    for what, seconds in (("publication", whole), ("its history stage", history)):
        early, late = _window(seconds, WINDOW), _window(seconds, len(seconds))
        told = f"{early * 1000:.0f} ms on day {WINDOW}, {late * 1000:.0f} ms on day {days}"
        table.line(f"{what}, day {days} against day {WINDOW}", late / early, 1.3, told)
    per_day = size / days
    told = f"{versions:,} versions, {size / 1e6:.1f} MB, {per_day / 1e3:.0f} kB a day"
    touched = rows * 0.02
    table.line("bytes of history a touched instrument, of 3 kB", per_day / touched / 3e3, 1, told)


def measure_first(table: Lines, server: Servers, *, rows: int = FULL) -> None:
    """The part of history in a first publication and in days after it, full size."""
    table.note(f"History: its part of a publication of {rows:,} instruments")
    with psycopg.connect(server.fresh("history_bench"), autocommit=True) as connection:
        whole, history = simulate(connection, rows=rows, days=4)
    parts = [part / all_ for part, all_ in zip(history, whole, strict=True)]
    told = f"{history[0]:.2f} s of {whole[0]:.2f} s"
    table.line("first publication", parts[0], 0.3, told)
    told = f"{statistics.median(history[1:]):.2f} s of {statistics.median(whole[1:]):.2f} s"
    table.line("a day with 2 % touched", statistics.median(parts[1:]), 0.4, told)


def simulate(
    connection: psycopg.Connection, *, rows: int, days: int
) -> tuple[list[float], list[float]]:
    """Publish day after day; seconds of each publication, and of its stage `history`."""
    with connection.transaction():
        ensure_schema(connection)
    connection.execute(_MARKET)
    connection.execute(
        "insert into market select n, 100, 75 from generate_series(1, %s) as n", [rows]
    )
    whole, history = [], []
    for day in range(days):
        if day:
            connection.execute(_NEXT_DAY.format(day=day, rows=rows).encode())
        connection.execute(_CANDIDATE)
        as_of = FIRST_DAY + timedelta(days=day)
        published = publish(
            connection,
            PublishRequest(
                tables=TABLES,
                as_of_date=as_of,
                published_at=datetime(as_of.year, as_of.month, as_of.day, 3, tzinfo=UTC),
                filter="nifty",
                fingerprint=str(day),
            ),
        )
        prune_undo(connection, KEPT_PUBLICATIONS)
        whole.append(sum(published.seconds.values()))
        history.append(published.seconds["history"])
    return whole, history


def _window(seconds: Sequence[float], until: int) -> float:
    return statistics.median(seconds[max(until - WINDOW, 1) : until])


def _size(connection: psycopg.Connection) -> tuple[int, int]:
    row = connection.execute(
        "select sum(pg_total_relation_size(c.oid))::bigint,"
        " (select count(*) from history.instrument_versions)"
        " from pg_class as c where c.relnamespace = 'history'::regnamespace"
        " and c.relname in ('past_instrument_versions', 'past_broker_instrument_versions',"
        " 'instrument_events')"
    ).fetchone()
    assert row is not None  # an aggregate has one row
    return int(row[0] or 0), int(row[1])
