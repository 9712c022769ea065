"""An open warehouse: settings, clock, servers that answer, schemas that exist."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import psycopg

import exporters.schema
from loader.landing import ensure_schema as ensure_loader_schema
from warehouse import database
from warehouse.clock import Clock
from warehouse.servers import EmbeddedServers
from warehouse.settings import Settings

# What every question is answered from.
LEDGER = ("ops.loads", "ops.publications", "ops.exports", "ops.sync_runs")

log = logging.getLogger(__name__)


@dataclass
class Warehouse:
    """What every command works with.

    Args:
        settings: as read.
        clock: the only one.
        dsn: the direct connection string of PostgreSQL, with the session options of a sync.
        connection: an autocommit connection for the ledger and the run lock.
    """

    settings: Settings
    clock: Clock
    dsn: str
    connection: psycopg.Connection

    @cached_property
    def redis_url(self) -> str:
        """Redis's URL; the embedded one is started when it is first asked for."""
        given = self.settings.redis_url
        if given is not None:
            return given.get_secret_value()
        return EmbeddedServers(self.settings.home).redis_url()

    @property
    def env_written_at(self) -> datetime | None:
        """When the file that ingestion reads was last written, by whomever; None without one."""
        try:
            return datetime.fromtimestamp(self.settings.env_file.stat().st_mtime, UTC)
        except OSError:
            return None

    @contextmanager
    def transaction_connection(self) -> Iterator[psycopg.Connection]:
        """A second connection, for work in transactions."""
        connection = database.connect(self.dsn)
        try:
            yield connection
        finally:
            connection.close()


def postgres_url(settings: Settings) -> str:
    """The URL of PostgreSQL; the embedded one is started unless it runs."""
    given = settings.database_url
    if given is not None:
        return given.get_secret_value()
    return EmbeddedServers(settings.home).postgres_url()


@contextmanager
def open_warehouse(settings: Settings, clock: Clock) -> Iterator[Warehouse]:
    """Start or reach the servers, check them, create what the ledgers need.

    Raises:
        ServiceUnavailable: PostgreSQL does not answer, or takes no writes now.
        UsageError: it is too old or behind a transaction pooler, or the user lacks a right.
    """
    dsn = database.session_dsn(postgres_url(settings))
    connection = database.connect(dsn)
    try:
        with database.told_clearly(dsn):
            database.check_server(connection, dsn)
            ensure_loader_schema(connection)
            exporters.schema.ensure_schema(connection)
            database.ensure_schema(connection)
            connection.commit()
        connection.autocommit = True
        yield Warehouse(settings, clock, dsn, connection)
    finally:
        connection.close()


@contextmanager
def read_warehouse(settings: Settings, clock: Clock) -> Iterator[Warehouse | None]:
    """The same for who only asks: nothing is created, and the right to read is enough.

    Yields:
        The warehouse; None where there is no ledger yet, so that nothing was ever published.

    Raises:
        ServiceUnavailable: PostgreSQL does not answer.
        UsageError: it is too old, or the user may not read.
    """
    dsn = database.session_dsn(postgres_url(settings))
    connection = database.connect(dsn)
    try:
        with database.told_clearly(dsn):
            database.check_version(connection)
            is_new = not database.tables_exist(connection, *LEDGER)
            connection.commit()
            connection.autocommit = True
            yield None if is_new else Warehouse(settings, clock, dsn, connection)
    finally:
        connection.close()
