"""A small healthy dump, and a candidate and last publication made from it.

The candidate has the relations and columns of the dbt models that the gate reads, so that a test
can damage exactly one thing.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

AS_OF = date(2026, 8, 17)
COLUMNS = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
LOW_BYTE = {"NSE": 1, "NFO": 2, "CDS": 3, "BSE": 4, "BFO": 5, "INDICES": 9}
Row = tuple[str, ...]


def _row(
    exchange_token: int,
    symbol: str,
    name: str,
    segment: str,
    exchange: str,
    kind: str = "EQ",
    expiry: date | None = None,
    strike: str = "0",
    tick: str = "0.05",
    lot: str = "1",
) -> Row:
    low = LOW_BYTE["INDICES" if segment == "INDICES" else exchange]
    return (
        str(exchange_token * 256 + low),
        str(exchange_token),
        symbol,
        name,
        "0.0",
        expiry.isoformat() if expiry else "",
        strike,
        tick,
        lot,
        kind,
        segment,
        exchange,
    )


def _index(exchange_token: int, symbol: str, exchange: str) -> Row:
    return _row(exchange_token, symbol, symbol, "INDICES", exchange, tick="0", lot="0")


def _contracts(
    first: int,
    name: str,
    exchange: str,
    expiries: Iterable[date],
    strikes: Iterable[str],
    lot: str,
) -> Iterator[Row]:
    """A future and the calls and puts of each expiry, tokens upwards from `first`."""
    listed = list(strikes)
    token = first
    for expiry in expiries:
        text = expiry.strftime("%y%m%d")
        yield _row(
            token, f"{name}{text}FUT", name, f"{exchange}-FUT", exchange, "FUT", expiry, lot=lot
        )
        for strike in listed:
            for kind in ("CE", "PE"):
                token += 1
                symbol = f"{name}{text}{strike.removesuffix('.0')}{kind}"
                yield _row(
                    token, symbol, name, f"{exchange}-OPT", exchange, kind, expiry, strike, lot=lot
                )
        token += 1


def healthy_rows(as_of: date = AS_OF) -> list[Row]:
    """About 900 rows: every required exchange and segment, markers, decimal strikes."""
    weeks = [as_of + timedelta(days=days) for days in (1, 8, 15)]
    months = [as_of + timedelta(days=days) for days in (8, 36, 64)]
    rows = [
        _index(1001, "NIFTY 50", "NSE"),
        _index(1016, "NIFTY BANK", "NSE"),
        _index(1, "SENSEX", "BSE"),
        _row(2885, "RELIANCE", "RELIANCE INDUSTRIES", "NSE", "NSE", tick="0.1"),
    ]
    rows += [_row(5000 + n, f"SHARE{n}", f"SHARE {n} LTD", "NSE", "NSE") for n in range(80)]
    rows += [_row(540000 + n, f"SHARE{n}", f"SHARE {n} LTD", "BSE", "BSE") for n in range(80)]
    near = [f"{24000 + 50 * n}.0" for n in range(20)]
    rows += _contracts(60000, "NIFTY", "NFO", weeks, near, "65")
    rows += _contracts(61000, "BANKNIFTY", "NFO", months, near, "30")
    rows += _contracts(
        62000, "ADANIENT", "NFO", months, [f"{2423.7 + 20 * n:.1f}" for n in range(30)], "300"
    )
    rows += _contracts(870000, "SENSEX", "BFO", weeks, near, "20")
    return rows


def expired_rows(as_of: date = AS_OF) -> list[Row]:
    """Contracts that expired on the day before: a third of NFO, as after a monthly expiry."""
    strikes = [f"{23000 + 50 * n}.0" for n in range(100)]
    return list(_contracts(70000, "NIFTY", "NFO", [as_of - timedelta(days=1)], strikes, "65"))


def dump_rows(path: Path) -> list[Row]:
    """The rows of a real dump."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [tuple(row[column] for column in COLUMNS) for row in csv.DictReader(file)]


def land(connection: psycopg.Connection, rows: Iterable[Row]) -> None:
    """Puts rows into `staging.kite_instruments` as the loader does."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} text not null").format(sql.Identifier(name)) for name in COLUMNS
    )
    connection.execute("create schema staging")
    connection.execute(
        sql.SQL(
            "create unlogged table staging.kite_instruments "
            "(_load_id bigint not null, _line_number bigint not null, {})"
        ).format(columns)
    )
    with connection.cursor().copy("copy staging.kite_instruments from stdin") as copy:
        for line, row in enumerate(rows, start=2):
            copy.write_row((1, line, *row))
    connection.execute("analyze staging.kite_instruments")


def build(connection: psycopg.Connection, filters: str = "nifty", as_of: date = AS_OF) -> None:
    """Makes the candidate from what has landed."""
    connection.execute("drop table if exists pg_temp.parameters")
    connection.execute("create temporary table parameters (as_of date, filter text)")
    connection.execute("insert into pg_temp.parameters values (%s, %s)", (as_of, filters))
    connection.execute(Path(__file__).with_name("candidate.sql").read_bytes())


def add_feeds(connection: psycopg.Connection) -> None:
    """Adds two brokers to the candidate that `build` has just made."""
    connection.execute(Path(__file__).with_name("feeds.sql").read_bytes())


def publish(connection: psycopg.Connection, expired: Iterable[Row] = ()) -> None:
    """Publishes the candidate's instruments, with contracts that have expired by now besides."""
    connection.execute("create schema marts")
    connection.execute(
        "create table marts.broker_instruments as table candidate.broker_instruments"
    )
    connection.execute(
        "create table marts.active_subscriptions as table candidate.active_subscriptions"
    )
    connection.execute(
        """
        create schema if not exists ops;
        create table ops.loads (
            load_id bigint, feed text, sha256 text, as_of_date date, status text
        );
        create table ops.build_parameters (load_id bigint);
        create table ops.publications (publication_id bigint, as_of_date date, dump_sha256 text);
        insert into ops.build_parameters values (2);
        """
    )
    # Kite's last dump and this one, and the other brokers' of today.
    for load_id, feed, byte, day in (
        (1, "kite", "a", AS_OF - timedelta(days=3)),
        (2, "kite", "b", AS_OF),
        (3, "dhan", "c", AS_OF),
        (4, "upstox", "d", AS_OF),
    ):
        connection.execute(
            "insert into ops.loads values (%s, %s, repeat(%s, 64), %s, 'landed')",
            (load_id, feed, byte, day),
        )
    connection.execute(
        "insert into ops.publications values (1, %s, repeat('a', 64))", (AS_OF - timedelta(days=3),)
    )
    for row in expired:
        values = dict(zip(COLUMNS, row, strict=True))
        connection.execute(
            "insert into marts.broker_instruments values ('kite', %(instrument_token)s, "
            "%(tradingsymbol)s, %(exchange_token)s, %(tradingsymbol)s, %(name)s, %(exchange)s, "
            "%(segment)s, %(instrument_type)s, %(expiry)s, %(strike)s, %(tick_size)s, "
            "%(lot_size)s, 'plain', true)",
            values,
        )
        connection.execute(
            "insert into candidate.instrument_changes (canonical_id, change, instrument_token, "
            "tradingsymbol, exchange, is_active) values (%(tradingsymbol)s, 'expired', "
            "%(instrument_token)s, %(tradingsymbol)s, %(exchange)s, false)",
            values,
        )
