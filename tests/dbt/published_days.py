"""Days that go the real way: landed, built by dbt, published with their history."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row, tuple_row

from exporters.postgres import PublishRequest, publish
from exporters.schema import ensure_schema
from tests.dbt.broker_dumps import land_dump
from tests.dbt.conftest import Dbt
from tests.dbt.kite_rows import COLUMNS, OPS_TABLES, Row, land, set_parameters
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


def build(
    dbt: Dbt,
    rows: Sequence[Row],
    as_of: date,
    others: Mapping[str, Path] | None = None,
    stale: Collection[str] = (),
) -> None:
    """Build a day of Kite's rows; with `others`, files of brokers, the loader lands all of them.

    Those of `stale` are of the day before.
    """
    with psycopg.connect(dbt.dsn, row_factory=dict_row) as connection:
        if others is None:
            land(connection, rows, as_of=as_of.isoformat())
        else:
            _land_all(connection, rows, others, as_of.isoformat(), dbt.work)
        connection.execute(
            "update ops.build_feeds set is_stale = true, as_of_date = as_of_date - 1"
            " where feed = any(%s)",
            [list(stale)],
        )
        connection.commit()
    outcome = dbt.run("build", "--exclude-resource-type", "test", "unit_test")
    broken = {
        result.node.name: result.message
        for result in outcome.result.results
        if str(result.status) not in {"success", "no-op"}
    }
    assert broken == {}


def _land_all(
    connection: Connection,
    rows: Sequence[Row],
    others: Mapping[str, Path],
    as_of: str,
    folder: Path,
) -> None:
    path = folder / "kite.csv"
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    land_dump(connection, "kite", path, as_of=as_of, landing=folder)
    connection.execute(OPS_TABLES)
    found = connection.execute("select max(load_id) as load_id from ops.loads").fetchone()
    assert found is not None
    set_parameters(connection, found["load_id"], as_of=as_of, filter_text="nifty")
    connection.commit()
    for feed, dump in others.items():
        land_dump(connection, feed, dump, as_of=as_of, landing=folder)


def publish_day(
    dbt: Dbt,
    warehouse: Connection,
    rows: Sequence[Row],
    as_of: date,
    others: Mapping[str, Path] | None = None,
    stale: Collection[str] = (),
) -> int:
    """One day the real way: landed, built, published; history holds together afterwards."""
    build(dbt, rows, as_of, others, stale)
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
