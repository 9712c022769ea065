"""The database in which earlier days are built: made, found again, never somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr

from warehouse.errors import AnotherSyncRunning, UsageError
from warehouse.settings import Settings
from warehouse.side_database import SideDatabase


@pytest.fixture
def side(settings: Settings) -> Iterator[SideDatabase]:
    made = SideDatabase(settings)
    yield made
    made.drop()


def test_what_an_earlier_run_of_the_same_plan_built_is_found_again(side: SideDatabase) -> None:
    assert not side.open("plan 1")
    with side.connect() as connection:
        connection.execute("create schema marts; create table marts.instruments (x integer)")
    assert side.open("plan 1")
    # Another folder, or another filter: from the beginning.
    assert not side.open("plan 2")
    with side.connect() as connection:
        assert connection.execute("select to_regnamespace('marts')").fetchone() == (None,)


def test_only_one_backfill_builds_in_it(side: SideDatabase, settings: Settings) -> None:
    # From whatever WAREHOUSE_HOME, and whatever machine.
    other = SideDatabase(settings)
    with side.held(), pytest.raises(AnotherSyncRunning, match="Another backfill builds in"):
        other.held().__enter__()
    with other.held():
        pass


def test_somebody_elses_tables_are_neither_used_nor_dropped(
    side: SideDatabase, settings: Settings, postgres_dsn: str
) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("create table prices (x integer)")
    given = settings.model_copy(update={"backfill_database_url": SecretStr(postgres_dsn)})
    with pytest.raises(UsageError, match="holds tables that no backfill made"):
        SideDatabase(given).open("plan")
    SideDatabase(given).drop()
    with psycopg.connect(side.url.replace(side.name, "postgres"), autocommit=True) as connection:
        connection.execute(f"create database {side.name}")  # type: ignore[call-overload]
    with psycopg.connect(side.url) as connection:
        connection.execute("create table orders (x integer)")
    side.drop()
    with psycopg.connect(side.url) as connection:
        assert connection.execute("select count(*) from orders").fetchone() == (0,)
        connection.execute("drop table orders")
    side.open("plan")
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("select count(*) from prices").fetchone() == (0,)
