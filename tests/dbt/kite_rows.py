"""Kite rows as text, one by one or as a small whole dump, and how they get into staging."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import tuple_row

COLUMNS = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry",
    "strike", "tick_size", "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip

Row = dict[str, str]

# The warehouse's own tables, as far as dbt reads them.
OPS_TABLES = """
create schema if not exists staging;
create schema if not exists ops;
create table if not exists ops.loads (
    load_id bigint generated always as identity primary key,
    feed text not null, status text not null, finished_at timestamptz
);
create table if not exists ops.build_parameters (
    only_row boolean primary key default true check (only_row),
    load_id bigint not null, feed text not null, as_of_date date not null,
    filter text not null, filter_names text[] not null,
    reference_prices jsonb not null default '{}',
    focus_futures integer not null default 2, focus_expiries integer not null default 2,
    focus_strikes_each_side integer not null default 10
);
create table if not exists ops.build_feeds (
    feed text primary key, load_id bigint, as_of_date date not null,
    is_stale boolean not null default false
);
create table if not exists ops.subscription_overrides (
    canonical_id text primary key, instrument_token integer not null,
    is_active boolean not null, origin text not null, recorded_at timestamptz not null
);
"""


def row(**values: str) -> Row:
    """A share's row, but for what is given."""
    share = dict(
        zip(
            COLUMNS,
            ("738561", "2885", "RELIANCE", "RELIANCE INDUSTRIES", "0", "", "0", "0.1", "1",
             "EQ", "NSE", "NSE"),
            strict=True,
        )
    )  # fmt: skip
    return share | values


def contract(name: str, exchange: str, expiry: str, number: int, **values: str) -> Row:
    """A future of `name`, spelled as a month's last expiry, but for what is given.

    Args:
        name: the underlying.
        exchange: NFO or BFO.
        expiry: YYYY-MM-DD.
        number: its exchange token, from which the instrument token follows.
        values: other columns, such as `strike` and `instrument_type` for an option.
    """
    months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    kind = values.get("instrument_type", "FUT")
    tail = kind if kind == "FUT" else values["strike"] + kind
    made = {
        "instrument_token": str(number * 256 + {"NFO": 2, "BFO": 5}[exchange]),
        "exchange_token": str(number),
        "tradingsymbol": f"{name}{expiry[2:4]}{months[int(expiry[5:7]) - 1]}{tail}",
        "name": name, "expiry": expiry, "exchange": exchange, "tick_size": "0.05",
        "lot_size": "65", "instrument_type": kind,
        "segment": f"{exchange}-{'FUT' if kind == 'FUT' else 'OPT'}",
    }  # fmt: skip
    return row(**(made | values))


def small_dump() -> list[Row]:
    """A dump with a whole focus set, a share, an index and a currency strike of 3 decimals."""
    rows = [
        row(),
        row(instrument_token="256265", exchange_token="1001", tradingsymbol="NIFTY 50",
            name="NIFTY 50", segment="INDICES", tick_size="0", lot_size="0"),
        row(instrument_token=str(77 * 256 + 3), exchange_token="77", name="USDINR",
            tradingsymbol="USDINR26SEP95.875CE", expiry="2026-09-28", strike="95.875",
            tick_size="0.0025", segment="CDS-OPT", exchange="CDS", instrument_type="CE"),
    ]  # fmt: skip
    number = 1000
    for name, exchange, around in (
        ("NIFTY", "NFO", 24500), ("BANKNIFTY", "NFO", 56000), ("SENSEX", "BFO", 78000),
    ):  # fmt: skip
        for expiry in ("2026-08-25", "2026-09-29"):
            rows.append(contract(name, exchange, expiry, number := number + 1))
            for step in range(-12, 13):
                for kind in ("CE", "PE"):
                    terms = {"strike": str(around + 50 * step), "instrument_type": kind}
                    rows.append(contract(name, exchange, expiry, number := number + 1, **terms))
    return rows


def read_dump(path: Path) -> list[Row]:
    """The rows of a real dump, in file order."""
    with gzip.open(path, "rt", newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def land(
    connection: psycopg.Connection[Any],
    rows: Iterable[Row],
    *,
    as_of: str,
    filter_text: str = "nifty",
    reference_prices: str = "{}",
) -> None:
    """Put rows into staging as a landing would, and say what the next build is for."""
    connection.execute(OPS_TABLES)
    connection.execute("drop table if exists staging.kite_instruments cascade")
    texts = ", ".join(f"{column} text not null" for column in COLUMNS)
    connection.execute(
        "create unlogged table staging.kite_instruments"
        f" (_load_id bigint not null, _line_number bigint not null, {texts})"
    )
    cursor = connection.cursor(row_factory=tuple_row)
    found = cursor.execute(
        "insert into ops.loads (feed, status, finished_at) values ('kite', 'landed', now())"
        " returning load_id"
    ).fetchone()
    assert found is not None
    with cursor.copy("copy staging.kite_instruments from stdin") as copy:
        for values in _with_lines(found[0], rows):
            copy.write_row(values)
    set_parameters(
        connection, found[0], as_of=as_of, filter_text=filter_text,
        reference_prices=reference_prices,
    )  # fmt: skip
    connection.commit()


def set_parameters(
    connection: psycopg.Connection[Any],
    load_id: int,
    *,
    as_of: str,
    filter_text: str,
    reference_prices: str = "{}",
) -> None:
    connection.execute("delete from ops.build_parameters")
    connection.execute("delete from ops.build_feeds")
    connection.execute(
        "insert into ops.build_feeds (feed, load_id, as_of_date) values ('kite', %s, %s)",
        [load_id, as_of],
    )
    connection.execute(
        "insert into ops.build_parameters"
        " (load_id, feed, as_of_date, filter, filter_names, reference_prices)"
        " values (%s, 'kite', %s, %s, %s, %s)",
        [load_id, as_of, filter_text, filter_text.split(","), reference_prices],
    )


def set_filter(connection: psycopg.Connection[Any], filter_text: str) -> None:
    """Ask the next build for another filter."""
    connection.execute(
        "update ops.build_parameters set filter = %s, filter_names = %s",
        [filter_text, filter_text.split(",")],
    )
    connection.commit()


def publish(connection: psycopg.Connection[Any], tables: Sequence[str]) -> None:
    """Copy candidate tables into `marts`, as a publication leaves them."""
    connection.execute("drop schema if exists marts cascade")
    connection.execute("create schema marts")
    for table in tables:
        connection.execute(f"create table marts.{table} as table candidate.{table}")
    connection.commit()


def _with_lines(load_id: int, rows: Iterable[Row]) -> Iterator[list[object]]:
    for line, values in enumerate(rows, start=2):
        yield [load_id, line, *(values[column] for column in COLUMNS)]
