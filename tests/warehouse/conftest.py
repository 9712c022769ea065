from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import exporters.schema
from loader.landing import ensure_schema
from warehouse import database


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
