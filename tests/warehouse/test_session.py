"""Opening the warehouse with fewer rights than it needs, or on a server that takes no writes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.warehouse.test_status import CLOCK, publish
from warehouse import commands
from warehouse.errors import ServiceUnavailable, UsageError
from warehouse.session import open_warehouse, read_warehouse
from warehouse.settings import Settings


@pytest.fixture
def monitor(postgres_dsn: str, settings: Settings) -> Iterator[Settings]:
    """The settings of a user who may do nothing yet but connect."""
    name = f"monitor_{uuid.uuid4().hex[:8]}"
    role = sql.Identifier(name)
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} login password 'hunter2'").format(role))
        place = postgres_dsn.partition("@")[2]
        yield settings.model_copy(
            update={
                "database_url": type(settings.database_url)(f"postgresql://{name}:hunter2@{place}")
            }
        )
        connection.execute(sql.SQL("drop owned by {} cascade; drop role {}").format(role, role))


def grant_reading(connection: psycopg.Connection, settings: Settings) -> None:
    assert settings.database_url
    name = settings.database_url.get_secret_value().partition("://")[2].partition(":")[0]
    for schema in ("ops", "marts", "history", "public"):
        for right in ("usage on schema {}", "select on all tables in schema {}"):
            connection.execute(
                sql.SQL(f"grant {right} to {{}}").format(
                    sql.Identifier(schema), sql.Identifier(name)
                )
            )


def test_a_user_without_the_right_to_create_is_told_which_right_it_is(monitor: Settings) -> None:
    with pytest.raises(UsageError) as refused, open_warehouse(monitor, CLOCK):
        pass
    told = str(refused.value)
    assert refused.value.exit_code == 2
    assert "permission denied for database" in told
    assert "grant create on database" in told
    assert "consumers keep what they have" in told
    assert "hunter2" not in told


def test_a_standby_is_told_apart_and_may_be_tried_again(settings: Settings) -> None:
    assert settings.database_url
    url = settings.database_url.get_secret_value()
    standby = settings.model_copy(
        update={
            "database_url": type(settings.database_url)(
                f"{url}&options=-c%20default_transaction_read_only%3Don"
            )
        }
    )
    with pytest.raises(ServiceUnavailable) as refused, open_warehouse(standby, CLOCK):
        pass
    assert refused.value.exit_code == 3
    assert "takes no writes" in str(refused.value)
    assert "after the failover" in str(refused.value)


def test_who_asks_creates_nothing(settings: Settings, connection: psycopg.Connection) -> None:
    with read_warehouse(settings, CLOCK) as warehouse:
        assert warehouse is None
    status = commands.status(settings, CLOCK)
    assert (status.exit_code, status.publication) == (3, None)
    schemas = "select count(*) from pg_namespace where nspname in ('ops', 'marts', 'staging')"
    assert connection.execute(schemas).fetchone() == (0,)


def test_the_right_to_read_is_enough_to_ask(ledger: psycopg.Connection, monitor: Settings) -> None:
    publish(ledger)
    with pytest.raises(UsageError, match="permission denied for schema ops"):
        commands.status(monitor, CLOCK)
    grant_reading(ledger, monitor)
    with read_warehouse(monitor, CLOCK) as warehouse:
        assert warehouse is not None
    assert commands.last_report(monitor, CLOCK) is None
