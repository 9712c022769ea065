"""Days that go the real way: landed, built by dbt, published with their history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from exporters.postgres import PublishRequest, publish
from exporters.schema import ensure_schema
from tests.dbt.conftest import Dbt
from tests.dbt.kite_rows import Row, land
from tests.history_invariants import violations

Connection = psycopg.Connection[Any]


@contextmanager
def empty_warehouse(dbt: Dbt) -> Iterator[Connection]:
    """The tests' database as a warehouse that has published nothing."""
    with psycopg.connect(dbt.dsn, autocommit=True) as connection:
        for schema in ("candidate", "marts", "staging", "ops", "history"):
            connection.execute(f"drop schema if exists {schema} cascade")
        connection.execute("drop table if exists public.instruments cascade")
        with connection.transaction():
            ensure_schema(connection)
        yield connection


def build(dbt: Dbt, rows: Sequence[Row], as_of: date) -> None:
    with psycopg.connect(dbt.dsn) as connection:
        land(connection, rows, as_of=as_of.isoformat())
    outcome = dbt.run("build", "--exclude-resource-type", "test", "unit_test")
    broken = {
        result.node.name: result.message
        for result in outcome.result.results
        if str(result.status) not in {"success", "no-op"}
    }
    assert broken == {}


def publish_day(dbt: Dbt, warehouse: Connection, rows: Sequence[Row], as_of: date) -> int:
    """One day the real way: landed, built, published; history holds together afterwards."""
    build(dbt, rows, as_of)
    names = tuple(
        node.alias for node in dbt.manifest.nodes.values()
        if str(node.resource_type) == "model" and node.config.meta.get("publish")
    )  # fmt: skip
    views = [name for name in names if name.startswith("exp_")]
    published = publish(
        warehouse,
        PublishRequest(
            tables=(*(name for name in names if name not in views), *views), as_of_date=as_of,
            published_at=datetime(as_of.year, as_of.month, as_of.day, 3, tzinfo=UTC),
            filter="nifty", fingerprint=str(as_of),
        ),
    )  # fmt: skip
    assert violations(warehouse) == {}
    return published.publication_id


def asked(warehouse: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    cursor = warehouse.cursor(row_factory=tuple_row)
    return cursor.execute(query.encode(), values or None).fetchall()


def ids(warehouse: Connection, day: str) -> dict[str, int]:
    """Which instrument each symbol was on a day."""
    return dict(
        asked(warehouse, "select tradingsymbol, instrument_id from history.instruments_as_of(%s)",
              day)
    )  # type: ignore[arg-type]  # fmt: skip


def events(warehouse: Connection, day: str) -> list[tuple[Any, ...]]:
    """What is believed to have happened on a day."""
    return asked(
        warehouse,
        "select event, broker, canonical_id, old_value, new_value from history.instrument_events"
        " where as_of_date = %s and superseded_by is null"
        " order by event, broker nulls first, canonical_id",
        day,
    )
