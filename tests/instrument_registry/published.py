"""A database as a publication leaves it: the tables that a registry reads, of the made-up market.

The columns are those of the marts' contracts; that they still are is held by a test that compares
them with the YAML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import psycopg

from instrument_registry.records import BrokerRow
from tests.instrument_registry import made_rows

AT = datetime(2026, 8, 17, 3, 5, tzinfo=UTC)
TABLES = """
    create schema ops; create schema marts;
    create table ops.publications (
        publication_id bigint primary key, published_at timestamptz not null,
        as_of_date date not null);
    create table marts.broker_instruments (
        broker text, exchange text, broker_token text, instrument_token integer,
        canonical_id text, tradingsymbol text, name text, segment text, instrument_type text,
        isin text, is_stale boolean, strike numeric(18, 6), tick_size_inr numeric(18, 6),
        lot_size integer, expiry_date date, primary key (broker, exchange, broker_token));
    create table marts.focus_instruments (canonical_id text primary key);
    create table marts.active_subscriptions (instrument_token integer primary key);
"""
BROKER_COLUMNS = (*BrokerRow._fields, "is_stale")


def create(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(TABLES)


def publish(
    dsn: str, rows: Iterable[BrokerRow] = (), *, number: int = 1, at: datetime = AT,
    focus: Sequence[str] = (), stale: Sequence[str] = (), active: Sequence[int] = (),
) -> None:  # fmt: skip
    """Put these rows in the place of those before, in one transaction, and notify."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "truncate marts.broker_instruments, marts.focus_instruments, marts.active_subscriptions"
        )
        names = ", ".join(BROKER_COLUMNS)
        with cursor.copy(f"copy marts.broker_instruments ({names}) from stdin") as copy:
            for row in rows:
                copy.write_row((*row, row.broker in stale))
        cursor.executemany(
            "insert into marts.focus_instruments values (%s)", [(one,) for one in focus]
        )
        cursor.executemany(
            "insert into marts.active_subscriptions values (%s)", [(one,) for one in active]
        )
        cursor.execute(
            "insert into ops.publications values (%s, %s, %s)", (number, at, made_rows.DAY)
        )
        cursor.execute("notify instruments_published, '{}'")
