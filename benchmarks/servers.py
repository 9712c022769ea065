"""A PostgreSQL and a Redis of the benchmarks' own, as the embedded ones are configured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from psycopg.conninfo import make_conninfo

from warehouse.servers import EmbeddedServers


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they listen, and an empty database and Redis at a word."""

    home: Path
    postgres_url: str
    redis_url: str

    def fresh(self, name: str) -> str:
        """Drop and create a database, flush Redis; returns the database's URL."""
        with psycopg.connect(self.postgres_url, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")
            connection.execute(f"create database {name}")
            connection.execute("checkpoint")
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()
        return self.database(name)

    def database(self, name: str) -> str:
        """The URL of one database."""
        head, _, query = self.postgres_url.partition("?")
        return f"{head.rpartition('/')[0]}/{name}?{query}"

    def connect(self, name: str) -> psycopg.Connection:
        """A connection to one database."""
        return psycopg.connect(make_conninfo(self.database(name)))


@contextmanager
def servers() -> Iterator[Servers]:
    """Start both in a temporary folder and stop them at the end."""
    with tempfile.TemporaryDirectory(prefix="iw-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        embedded = EmbeddedServers(home)
        try:
            yield Servers(home, embedded.postgres_url(), embedded.redis_url())
        finally:
            embedded.stop()
