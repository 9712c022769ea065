from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import exporters.schema
from loader.landing import ensure_schema
from warehouse import database
from warehouse.settings import Settings


@pytest.fixture
def ledger(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a database that has the ledger."""
    with psycopg.connect(database.session_dsn(postgres_dsn)) as connection:
        ensure_schema(connection)
        exporters.schema.ensure_schema(connection)
        database.ensure_schema(connection)
        connection.commit()
        connection.autocommit = True
        yield connection


@pytest.fixture
def settings(postgres_dsn: str, tmp_path: Path) -> Settings:
    """Settings that name this test's database, and a home that is not there yet."""
    return Settings(
        database_url=postgres_dsn,  # type: ignore[arg-type]  # pydantic makes a secret of it
        warehouse_home=tmp_path / "home",
        env_file=tmp_path / ".env",
    )
