"""The baseline: what the scripts that this warehouse replaces do, one row at a time.

As those scripts do it: psycopg2, an INSERT ... ON CONFLICT for each row in one transaction, an HSET
for each key, `is_active` taken from all and given to the filtered, then the `.env` line. No checks,
no history, no report. Run it by itself:

    python -m benchmarks.row_at_a_time DUMP DATABASE_URL REDIS_URL ENV_FILE
"""

from __future__ import annotations

import csv
import gzip
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]
import redis

TABLE = """
create table if not exists public.instruments (
    instrument_token int primary key, exchange_token int, trading_symbol text not null,
    name text, exchange text not null, segment text, instrument_type text, expiry date,
    strike numeric(12, 2), tick_size numeric(10, 4), lot_size int,
    last_updated timestamptz default now(), is_active boolean default false,
    security_id text, source text default 'kite'
)
"""

INSERT = """
insert into public.instruments (
    instrument_token, exchange_token, trading_symbol, name, exchange, segment, instrument_type,
    expiry, strike, tick_size, lot_size, last_updated
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (instrument_token) do update set
    exchange_token = excluded.exchange_token, trading_symbol = excluded.trading_symbol,
    name = excluded.name, exchange = excluded.exchange, segment = excluded.segment,
    instrument_type = excluded.instrument_type, expiry = excluded.expiry,
    strike = excluded.strike, tick_size = excluded.tick_size, lot_size = excluded.lot_size,
    last_updated = excluded.last_updated
"""

ACTIVATE = "update public.instruments set is_active = true where instrument_token in %s"


def read(path: Path) -> list[dict[str, str]]:
    """Every row of a dump as a dictionary."""
    with gzip.open(path, "rt", newline="") as handle:
        return list(csv.DictReader(handle))


def is_subscribed(row: dict[str, str]) -> bool:
    """The filter `nifty`."""
    return row["name"] == "NIFTY" and row["segment"] in {"NFO-OPT", "NFO-FUT"}


def store_in_postgres(rows: list[dict[str, str]], database_url: str) -> None:
    """One INSERT a row, then the subscription."""
    connection = psycopg2.connect(database_url)
    cursor = connection.cursor()
    cursor.execute(TABLE)
    for row in rows:
        cursor.execute(
            INSERT,
            (
                int(row["instrument_token"]),
                int(row["exchange_token"]),
                row["tradingsymbol"],
                row["name"],
                row["exchange"],
                row["segment"],
                row["instrument_type"],
                row["expiry"] or None,
                float(row["strike"] or 0) or None,
                float(row["tick_size"] or 0),
                int(float(row["lot_size"] or 0)),
                datetime.now(UTC),
            ),
        )
    connection.commit()
    cursor.execute("update public.instruments set is_active = false")
    cursor.execute(
        ACTIVATE, (tuple(int(row["instrument_token"]) for row in rows if is_subscribed(row)),)
    )
    connection.commit()
    connection.close()


def store_in_redis(rows: list[dict[str, str]], redis_url: str) -> None:
    """One HSET a key."""
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    for row in rows:
        client.hset(
            f"instrument:{row['instrument_token']}",
            mapping={
                "tradingsymbol": row["tradingsymbol"],
                "exchange": row["exchange"],
                "instrument_type": row["instrument_type"],
                "segment": row["segment"],
                "name": row["name"],
                "expiry": row["expiry"],
                "strike": str(float(row["strike"] or 0) or 0),
                "tick_size": str(float(row["tick_size"] or 0) or 0),
                "lot_size": str(int(float(row["lot_size"] or 0))),
                "exchange_token": str(int(row["exchange_token"])),
            },
        )
    client.close()


def main(dump: str, database_url: str, redis_url: str, env_file: str) -> None:
    """Store one dump everywhere."""
    rows = read(Path(dump))
    store_in_postgres(rows, database_url)
    store_in_redis(rows, redis_url)
    tokens = ",".join(row["instrument_token"] for row in rows if is_subscribed(row))
    Path(env_file).write_text(f"INSTRUMENTS={tokens}\n")


if __name__ == "__main__":
    main(*sys.argv[1:5])
