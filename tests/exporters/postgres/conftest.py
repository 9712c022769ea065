from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from exporters.schema import ensure_schema


@pytest.fixture
def warehouse(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to an empty warehouse; in autocommit, so that nothing is held between steps."""
    with psycopg.connect(postgres_dsn, autocommit=True) as opened:
        ensure_schema(opened)
        yield opened


@pytest.fixture
def other(postgres_dsn: str, warehouse: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Somebody else's connection, with transactions of its own."""
    with psycopg.connect(postgres_dsn) as opened:
        yield opened
        opened.rollback()
