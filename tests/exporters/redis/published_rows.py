"""A warehouse with a few published rows, and what a Redis should hold of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import psycopg
import redis

FIELDS = (
    "tradingsymbol",
    "exchange",
    "instrument_type",
    "segment",
    "name",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "exchange_token",
)

TABLE = """
create table marts.exp_redis__instruments (
    instrument_token integer primary key,
    tradingsymbol text not null,
    exchange text not null,
    instrument_type text not null,
    segment text not null,
    name text not null,
    expiry text not null,
    strike text not null,
    tick_size text not null,
    lot_size text not null,
    exchange_token text not null
)
"""

Hash = dict[str, str]


def option(token: int, **changes: str) -> Hash:
    """What the hash of a made-up option holds."""
    hash_ = {
        "tradingsymbol": f"NIFTY26AUG{token}CE",
        "exchange": "NFO",
        "instrument_type": "CE",
        "segment": "NFO-OPT",
        "name": "NIFTY",
        "expiry": "2026-08-25",
        "strike": f"{token}.0",
        "tick_size": "0.05",
        "lot_size": "65",
        "exchange_token": str(token // 256),
    }
    return {**hash_, **changes}


@dataclass
class Warehouse:
    """A database whose published rows a test sets."""

    dsn: str
    connection: psycopg.Connection
    rows: dict[int, Hash] = field(default_factory=dict)

    def publish(self, number: int, rows: dict[int, Hash], fingerprint: str = "f") -> None:
        self.rows = rows
        with self.connection.transaction():
            self.connection.execute("truncate marts.exp_redis__instruments")
            with self.connection.cursor().copy(
                "copy marts.exp_redis__instruments from stdin"
            ) as copy:
                for token, hash_ in rows.items():
                    copy.write_row((token, *(hash_[name] for name in FIELDS)))
            self.connection.execute(
                "insert into ops.publications"
                " (publication_id, published_at, as_of_date, filter, fingerprint)"
                " values (%s, %s, %s, 'nifty', %s)",
                (
                    number,
                    datetime(2026, 8, 17, 3, number, tzinfo=UTC),
                    date(2026, 8, 17),
                    fingerprint,
                ),
            )

    def marker(self, number: int, fingerprint: str = "f") -> Hash:
        return {
            "publication": str(number),
            "rows": str(len(self.rows)),
            "as_of": "2026-08-17",
            "published_at": f"2026-08-17T03:{number:02}:00+00:00",
            "fingerprint": fingerprint,
            "state": "complete",
        }


def many(tokens: Iterable[int]) -> dict[int, Hash]:
    return {token: option(token) for token in tokens}


def contents(url: str) -> dict[str, Hash | str]:
    """Everything that a Redis holds, by key."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return contents_of(client)


def contents_of(client: redis.Redis) -> dict[str, Hash | str]:
    keys = sorted(client.scan_iter(count=1000))
    kinds = [client.type(key) for key in keys]
    return {
        key: client.hgetall(key) if kind == "hash" else client.get(key)
        for key, kind in zip(keys, kinds, strict=True)
    }


def published(warehouse: Warehouse, number: int, fingerprint: str = "f") -> dict[str, Hash]:
    """What a Redis should hold, by key."""
    hashes = {f"instrument:{token}": hash_ for token, hash_ in warehouse.rows.items()}
    return {**hashes, "instruments:publication": warehouse.marker(number, fingerprint)}


READING = frozenset(
    {
        "auth", "client", "command", "config", "dbsize", "exists", "get", "hello", "hget",
        "hgetall", "info", "keys", "ping", "scan", "select", "ttl", "type", "unwatch", "watch",
    }
)  # fmt: skip


def write_calls(url: str) -> int:
    """How many writing commands the server has run since it started."""
    with redis.Redis.from_url(url) as client:
        stats = client.info("commandstats")
    names = {name.removeprefix("cmdstat_").partition("|")[0]: name for name in stats}
    return sum(stats[full]["calls"] for name, full in names.items() if name not in READING)
