"""A year of days through the publisher: what history costs on day 250 against day 5, and its size.

The days are made in SQL, at a tenth of the size by default, with four brokers: options of weekly
and monthly expiries that leave when they expire, in the waves of a real market, while as many are
listed; strikes added between, lots revised, strikes adjusted, tokens moved. In a year some three
and a half times as many contracts come and go as are listed on a day.

Cost is that of the stage `history` of a publication, and of the publication as a whole. dbt's
part does not grow with the days: it reads the last publication only.
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
ROWS, DAYS = 12_500, 250
FULL = 125_000
WINDOW = 5
KEPT_PUBLICATIONS = 30
GIGABYTE = 1e9
BROKERS = ("kite", "angel_one", "dhan", "upstox")
TABLES = ("instruments", "broker_instruments", "active_subscriptions", "instrument_continuity")
_SATURDAY = 5

_MARKET = """
create schema candidate;
-- One in five is a share; of the contracts one in six has a weekly expiry.
create table market (
    number bigint primary key, expiry date, is_weekly boolean not null, strike numeric(18, 6),
    lot_size integer not null, token bigint not null
);
create unlogged table candidate.instruments (
    canonical_id text primary key, exchange text not null, segment text not null,
    kind text not null, underlying text not null, tradingsymbol text not null, name text not null,
    reference_broker text not null, option_type text, strike numeric(18, 6),
    tick_size_inr numeric(18, 6), lot_size integer, expiry_date date
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
create function id_of(number bigint, expiry date, strike numeric) returns text language sql
immutable as $$
    select case
        when expiry is null then 'NSE:S' || number
        else 'NFO:U' || number || ':' || expiry || ':' || trim_scale(strike) || ':CE'
    end
$$;
create function expiry_of(number bigint, day date) returns date language sql immutable as $$
    select case
        when number % 5 = 0 then null
        when number % 6 = 1 then day + (7 * (1 + number % 5))::integer
        else (
            date_trunc('month', day) + make_interval(months => (1 + number % 3)::integer)
        )::date - 3
    end
$$;
insert into market
select n, expiry_of(n, '{first}'), n % 6 = 1, case when n % 5 > 0 then 100 end, 75, n
from generate_series(1, {rows}) as n;
"""

_CANDIDATE = """
truncate candidate.instruments, candidate.broker_instruments, candidate.active_subscriptions;
insert into candidate.instruments
select id_of(number, expiry, strike),
    case when expiry is null then 'NSE' else 'NFO' end,
    case when expiry is null then 'NSE' else 'NFO-OPT' end,
    case when expiry is null then 'cash' else 'option' end,
    'U' || number,
    'U' || number || coalesce(to_char(expiry, 'YYMON') || trim_scale(strike) || 'CE', ''),
    'U' || number, 'kite', case when expiry is not null then 'CE' end,
    strike, 0.05, lot_size, expiry
from market order by number;
insert into candidate.broker_instruments
select broker, case when expiry is null then 'NSE' else 'NFO' end,
    case broker when 'kite' then token * 256 + 2 else token end::text,
    case broker when 'kite' then token * 256 + 2 end, id_of(number, expiry, strike), token,
    'U' || number || coalesce(to_char(expiry, 'DDMONYY') || trim_scale(strike) || 'CE', ''),
    'U' || number, 'NFO-OPT', 'CE', strike, 0.05, lot_size, expiry
from market cross join unnest(%s::text[]) as broker order by broker, number;
insert into candidate.active_subscriptions
select token * 256 + 2, id_of(number, expiry, strike), 'filter' from market where number %% 50 = 0;
analyze candidate.instruments; analyze candidate.broker_instruments;
"""

_NEXT_DAY = """
truncate candidate.instrument_continuity;
-- What has expired leaves, and as much is listed for later.
with gone as (
    delete from market where expiry < '{day}' returning is_weekly
),

listed as (
    select is_weekly, (select max(number) from market) + row_number() over () as number from gone
)

insert into market
select number,
    case
        when is_weekly then date '{day}' + 35
        else (date_trunc('month', date '{day}') + interval '3 months')::date - 3
    end,
    is_weekly, 100, 75, number
from listed;
-- Strikes are added at one end of a chain and withdrawn at the other.
delete from market where expiry is not null and number % 200 = {number} % 200;
insert into market
select number, expiry_of(number * 5 + 1, '{day}'), false, 100, 75, number
from (
    select (select max(number) from market) + n as number
    from generate_series(1, {rows} - (select count(*) from market)) as n
) as added;
update market set lot_size = lot_size + 1 where number % 500 = {number} % 500;
update market set token = token + 4000000 where number % 2000 = {number} % 2000 and token < 4000000;
insert into candidate.instrument_continuity
select id_of(number, expiry, strike + 0.25), id_of(number, expiry, strike), null, 'token'
from market where expiry is not null and number % 2000 = (7 * {number}) % 2000;
update market set strike = strike + 0.25
where expiry is not null and number % 2000 = (7 * {number}) % 2000;
"""

# Everything that a publication leaves, its undo log and the published tables too.
_SIZE = """
select
    sum(pg_total_relation_size(c.oid))::bigint,
    (select count(*) from history.instrument_versions),
    (select count(*) from history.instrument_events)
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where
    n.nspname in ('history', 'marts', 'ops', 'public') and c.relkind = 'r'
    and c.relname <> 'market'
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
    """Run the days and print the ratios and the size, which is that of `FULL` instruments."""
    table.note(f"History: {days} days of {rows:,} instruments at {len(BROKERS)} brokers")
    with psycopg.connect(server.fresh("history_bench"), autocommit=True) as connection:
        whole, history = simulate(connection, rows=rows, days=days)
        row = connection.execute(_SIZE).fetchone()
    assert row is not None  # an aggregate has one row
    size, versions, events = row
    for what, seconds in (("publication", whole), ("its history stage", history)):
        early, late = _window(seconds, WINDOW), _window(seconds, len(seconds))
        told = f"{early * 1000:.0f} ms on day {WINDOW}, {late * 1000:.0f} ms on day {days}"
        table.line(f"{what}, day {days} against day {WINDOW}", late / early, 1.3, told)
    told = f"{size / 1e6:.0f} MB, {versions:,} versions and {events:,} events"
    told += "" if rows == FULL else f", times {FULL / rows:g}"
    full = size * FULL / rows
    table.line(f"GB after {days} days, {FULL:,} instruments", full / GIGABYTE, 3, told)


def measure_first(table: Lines, server: Servers, *, rows: int = FULL) -> None:
    """The part of history in a first publication and in days after it, full size, Kite alone."""
    table.note(f"History: its part of a publication of {rows:,} instruments")
    with psycopg.connect(server.fresh("history_bench"), autocommit=True) as connection:
        whole, history = simulate(connection, rows=rows, days=4, brokers=BROKERS[:1])
    parts = [part / all_ for part, all_ in zip(history, whole, strict=True)]
    told = f"{history[0]:.2f} s of {whole[0]:.2f} s"
    table.line("first publication", parts[0], 0.3, told)
    told = f"{statistics.median(history[1:]):.2f} s of {statistics.median(whole[1:]):.2f} s"
    table.line("a day with 2 % touched", statistics.median(parts[1:]), 0.4, told)


def simulate(
    connection: psycopg.Connection, *, rows: int, days: int, brokers: Sequence[str] = BROKERS
) -> tuple[list[float], list[float]]:
    """Publish trading day after trading day; seconds of each, and of its stage `history`."""
    with connection.transaction():
        ensure_schema(connection)
    connection.execute(_MARKET.format(first=FIRST_DAY, rows=rows).encode())
    whole, history = [], []
    as_of = FIRST_DAY
    for number in range(days):
        if number:
            as_of += timedelta(days=1)
            while as_of.weekday() >= _SATURDAY:
                as_of += timedelta(days=1)
            connection.execute(_NEXT_DAY.format(day=as_of, number=number, rows=rows).encode())
        with psycopg.ClientCursor(connection) as cursor:
            cursor.execute(_CANDIDATE, [list(brokers)])
        published = publish(
            connection,
            PublishRequest(
                tables=TABLES,
                as_of_date=as_of,
                published_at=datetime(as_of.year, as_of.month, as_of.day, 3, tzinfo=UTC),
                filter="nifty",
                fingerprint=str(number),
            ),
        )
        prune_undo(connection, KEPT_PUBLICATIONS)
        whole.append(sum(published.seconds.values()))
        history.append(published.seconds["history"])
    return whole, history


def _window(seconds: Sequence[float], until: int) -> float:
    return statistics.median(seconds[max(until - WINDOW, 1) : until])
