"""Connections to the warehouse's PostgreSQL, and what must be true of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from warehouse.errors import ServiceUnavailable, UsageError

OLDEST_POSTGRES = 140000
CONNECT_TIMEOUT_SECONDS = 10

# jit costs more than it saves on queries of a second; the interval lets the server notice
# within a second that a killed sync is gone, and give up its locks.
SESSION_OPTIONS = (
    "-c jit=off -c work_mem=64MB -c maintenance_work_mem=128MB -c timezone=UTC "
    "-c client_connection_check_interval=1000"
)

# What a list of hosts may look like: names, addresses, and paths of sockets.
_HOSTS = re.compile(r"(([\w.:%-]*|[/@][^,]*)(,|$))*")
_PORTS = re.compile(r"\d*(,\d*)*", re.ASCII)


def session_dsn(url: str, *, application: str = "warehouse") -> str:
    """The connection string that every part of a run uses.

    Raises:
        UsageError: when DATABASE_URL is not one that libpq understands.
    """
    given = _read(url)
    options = f"{given.pop('options', '') or ''} {SESSION_OPTIONS}".strip()
    given.setdefault("connect_timeout", CONNECT_TIMEOUT_SECONDS)
    given.setdefault("application_name", application)
    # A dead network must not leave a lock held for hours.
    given.setdefault("keepalives_idle", 10)
    given.setdefault("keepalives_interval", 5)
    given.setdefault("keepalives_count", 3)
    return make_conninfo("", **given, options=options)


def redacted(url: str) -> str:
    """The place a URL names, without its password."""
    parts = _read(url)
    host, port = parts.get("host", "localhost"), parts.get("port")
    place = f"{host}:{port}" if port else f"{host}"
    return f"{parts.get('dbname', '')} at {place}"


def _read(url: str) -> dict[str, Any]:
    """The parts of a URL or of a connection string.

    A password with a special character moves the borders of a URL's parts, so that a piece of
    it would be taken, and shown, as a host, a port or a database: such a URL is refused. What
    libpq says of it is not passed on, because it quotes the URL.

    Raises:
        UsageError: telling nothing of what the URL holds.
    """
    try:
        parts = conninfo_to_dict(url)
    except (psycopg.Error, ValueError):
        parts = None
    _, is_url, rest = url.partition("://") if re.match(r"postgres(ql)?://", url) else ("", "", "")
    path = rest.partition("?")[0].partition("/")[2]
    if (
        parts is None
        or not _HOSTS.fullmatch(str(parts.get("host") or ""))
        or not _PORTS.fullmatch(str(parts.get("port") or ""))
        or (is_url and "@" in path)
    ):
        raise UsageError(
            "DATABASE_URL cannot be read as a URL; percent-encode special characters in its user "
            "and password, and check the parameters after its question mark."
        )
    return parts


def connect(dsn: str, *, autocommit: bool = False) -> psycopg.Connection:
    """Open a connection.

    Raises:
        ServiceUnavailable: naming the place, the server's words and what to do.
    """
    try:
        return psycopg.connect(dsn, autocommit=autocommit)
    except psycopg.OperationalError as error:
        words = " ".join(str(error).split())
        hint = (
            "A connection pooler refuses session options: give DATABASE_URL the server itself."
            if "unsupported startup parameter" in words
            else "Check DATABASE_URL and that the server is up, then run the command again."
        )
        raise ServiceUnavailable(
            f"PostgreSQL ({redacted(dsn)}) cannot be reached: {words} "
            f"Consumers keep what they have. {hint}"
        ) from None


@contextmanager
def told_clearly(dsn: str) -> Iterator[None]:
    """Say what a refusal of PostgreSQL means for the command, and what to do.

    Raises:
        UsageError: the user lacks a right.
        ServiceUnavailable: it is a standby or read-only, or went away.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise UsageError(
            f"PostgreSQL ({redacted(dsn)}) refuses the user of DATABASE_URL: {_one_line(error)}. "
            f"Nothing was started; consumers keep what they have. A sync needs `grant create on "
            f"database` and the right to write public.instruments; to ask what is published, the "
            f"right to read the schemas ops, marts and history and public.instruments is enough."
        ) from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise ServiceUnavailable(
            f"PostgreSQL ({redacted(dsn)}) takes no writes: {_one_line(error)}. It is a standby, "
            f"or set to read-only. Nothing was started; consumers keep what they have. Point "
            f"DATABASE_URL at the primary, or run the command again after the failover."
        ) from error
    except psycopg.OperationalError as error:
        raise ServiceUnavailable(
            f"PostgreSQL ({redacted(dsn)}) answers, but fails: {_one_line(error)}. Consumers keep "
            f"what they have. See the server's own log, then run the command again."
        ) from error


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error.diag.message_primary or error).split()).rstrip(".")


def check_version(connection: psycopg.Connection) -> None:
    """Refuse a server that is too old.

    Raises:
        UsageError: saying which it is.
    """
    version = connection.info.server_version
    if version < OLDEST_POSTGRES:
        raise UsageError(f"DATABASE_URL is PostgreSQL {version // 10000}; 14 or newer is needed.")


def check_server(connection: psycopg.Connection, dsn: str) -> None:
    """Refuse a server that is too old, or one that is behind a transaction pooler.

    A sync holds a session lock and temporary tables; a transaction-pooling proxy gives every
    transaction another session. It is told apart by a session variable that must still be
    there while a second connection keeps the first one's server session busy.

    Raises:
        UsageError: saying what was found.
    """
    check_version(connection)
    probe = secrets.token_hex(8)
    connection.execute("select set_config('warehouse.probe', %s, false)", (probe,))
    connection.commit()
    with psycopg.connect(dsn) as other:
        other.execute("select 1")
        row = connection.execute("select current_setting('warehouse.probe', true)").fetchone()
        connection.commit()
    if row is None or row[0] != probe:
        raise UsageError(
            "DATABASE_URL goes through a transaction-pooling proxy; the sync needs a direct "
            "(or session-pooling) connection. Point DATABASE_URL at PostgreSQL itself."
        )


def ensure_schema(connection: psycopg.Connection) -> None:
    """Create what the ledger needs; changes nothing where it is there already."""
    connection.execute(files("warehouse").joinpath("schema.sql").read_bytes())
    connection.commit()


def tables_exist(connection: psycopg.Connection, *names: str) -> bool:
    """Whether every schema-qualified name is there."""
    query = sql.SQL(
        "select bool_and(to_regclass(name) is not null) from unnest(%s::text[]) as names (name)"
    )
    row = connection.execute(query, (list(names),)).fetchone()
    return bool(row and row[0])
