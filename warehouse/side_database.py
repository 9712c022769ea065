"""A database beside the warehouse's, in which days are published that consumers must not see."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from warehouse import database
from warehouse.errors import AnotherSyncRunning, UsageError
from warehouse.session import postgres_url
from warehouse.settings import Settings

SUFFIX = "_backfill"
LONGEST_NAME = 63

# Any fixed number but that of the run lock.
LOCK_KEY = 0x1257_0002
# The session of a backfill that was killed is gone within that time.
GIVEN_UP_SECONDS = 2.0
POLL_SECONDS = 0.1

# Whose it is, and what it is made of: another folder or filter begins anew.
_MARK = """
create schema if not exists backfill;
create table if not exists backfill.plan (
    only_row boolean primary key default true check (only_row),
    digest text not null
);
"""

_SCHEMAS = ("backfill", "staging", "candidate", "marts", "history", "ops")

_OURS = "select to_regclass('backfill.plan') is not null"
_FOREIGN = """
select exists (
    select from pg_class as c
    inner join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
    and c.relkind in ('r', 'p', 'v', 'm')
)
"""


class SideDatabase:
    """The database of BACKFILL_DATABASE_URL, else one made beside the warehouse's own.

    Args:
        settings: those of the warehouse.
    """

    def __init__(self, settings: Settings) -> None:
        given = settings.backfill_database_url
        self._own = postgres_url(settings)
        self._is_made = given is None
        parts = conninfo_to_dict(self._own)
        cut = LONGEST_NAME - len(SUFFIX)
        self.name = f"{str(parts.get('dbname') or parts.get('user'))[:cut]}{SUFFIX}"
        self.url = given.get_secret_value() if given else make_conninfo(self._own, dbname=self.name)

    @property
    def settings(self) -> dict[str, SecretStr]:
        """What a sync into it is told instead of the warehouse's own."""
        return {"database_url": SecretStr(self.url)}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else builds in it meanwhile, from whatever machine; the lock dies with its owner.

        Raises:
            AnotherSyncRunning: somebody does.
            ServiceUnavailable: PostgreSQL does not answer.
        """
        with self._maintain() if self._is_made else self.connect() as connection:
            deadline = time.monotonic() + GIVEN_UP_SECONDS
            while not _one(connection, "select pg_try_advisory_lock(%s)", LOCK_KEY):
                if time.monotonic() > deadline:
                    raise AnotherSyncRunning(
                        f"Another backfill builds in the database {self._told()}. Nothing was "
                        f"changed by this one; run it again when that one has ended."
                    )
                time.sleep(POLL_SECONDS)
            yield

    def open(self, digest: str) -> bool:
        """Make it, or find it as an earlier run of the same plan left it.

        Args:
            digest: what tells the plan from another.

        Returns:
            Whether days of the plan may be in it already.

        Raises:
            UsageError: somebody else's tables are in it, or it may not be made.
            ServiceUnavailable: PostgreSQL does not answer.
        """
        if self._is_made:
            self._make()
        with self.connect() as connection:
            if not _one(connection, _OURS) and _one(connection, _FOREIGN):
                raise UsageError(
                    f"The database {self._told()} holds tables that no backfill made. Nothing was "
                    f"started. Set BACKFILL_DATABASE_URL to an empty database."
                )
            if _one(connection, _OURS) and digest == _one(
                connection, "select digest from backfill.plan"
            ):
                return True
            self._empty(connection)
            connection.execute(_MARK)
            connection.execute("insert into backfill.plan (digest) values (%s)", [digest])
        return False

    def connect(self) -> psycopg.Connection:
        """A connection to it; in autocommit."""
        return database.connect(database.session_dsn(self.url), autocommit=True)

    def drop(self) -> None:
        """Take away what `open` made; nothing, where there is nothing of ours."""
        if not self._is_made:
            with self.connect() as connection:
                if _one(connection, _OURS):
                    self._empty(connection)
            return
        with self._maintain() as connection:
            if not self._exists(connection):
                return
            with self.connect() as side:
                if not _one(side, _OURS):
                    return
            connection.execute(
                sql.SQL("drop database {} with (force)").format(sql.Identifier(self.name))
            )

    def _make(self) -> None:
        with self._maintain() as connection:
            if self._exists(connection):
                return
            try:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(self.name)))
            except psycopg.errors.InsufficientPrivilege as error:
                raise UsageError(
                    f"Earlier days are built in a database beside, and the user of DATABASE_URL "
                    f"may not create one ({error.diag.message_primary}). Nothing was started. "
                    f"`alter role ... createdb`, or set BACKFILL_DATABASE_URL to an empty database."
                ) from error

    def _maintain(self) -> psycopg.Connection:
        return database.connect(database.session_dsn(self._own), autocommit=True)

    def _exists(self, connection: psycopg.Connection) -> bool:
        query = "select exists (select from pg_database where datname = %s)"
        return bool(_one(connection, query, self.name))

    @staticmethod
    def _empty(connection: psycopg.Connection) -> None:
        with connection.transaction():
            for name in _SCHEMAS:
                connection.execute(
                    sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name))
                )
            connection.execute("drop table if exists public.instruments cascade")

    def _told(self) -> str:
        return self.name if self._is_made else "of BACKFILL_DATABASE_URL"


def _one(connection: psycopg.Connection, query: str, *values: object) -> object:
    row = connection.execute(query.encode(), values or None).fetchone()
    return row[0] if row else None
