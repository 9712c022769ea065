"""Readers, writers, other publishers and death beside a publication."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from exporters.errors import DestinationRefused, DestinationUnavailable
from exporters.postgres import capture_overrides, publish, rollback_to
from tests.exporters.postgres.candidate_builder import (
    DAY_1,
    GAIL_CE,
    NIFTY_50,
    NIFTY_CE,
    ROWS,
    Row,
    build,
    content,
    everything,
    request,
)

NEXT_DAY = (NIFTY_CE, replace(GAIL_CE, lot_size=1), NIFTY_50, Row(1280, "X", strike=Decimal(1)))

WAIT_FOR_US = """
create function wait_for_us() returns trigger language plpgsql as 'begin
    perform pg_advisory_xact_lock_shared(42); return null; end';
create trigger wait_for_us after insert or update or delete on {table}
for each statement execute function wait_for_us()
"""

WAITS = """
select exists (
    select from pg_locks where locktype = 'advisory' and objid = 42 and not granted
)
"""


@contextmanager
def halfway(
    dsn: str, connection: psycopg.Connection, table: str, work: Callable[[psycopg.Connection], Any]
) -> Iterator[tuple[Future[Any], int]]:
    """Run the work in a thread until it has written to the table; it goes on at the end."""
    connection.execute(WAIT_FOR_US.format(table=table).encode())
    with (
        psycopg.connect(dsn, autocommit=True) as gate,
        psycopg.connect(dsn) as working,
        ThreadPoolExecutor(1) as pool,
    ):
        gate.execute("select pg_advisory_lock(42)")
        running = pool.submit(work, working)
        try:
            while gate.execute(WAITS).fetchone() != (True,):
                if running.done():
                    running.result()
                    pytest.fail("the work ended without writing to the table")
            yield running, working.info.backend_pid
        finally:
            gate.execute("select pg_advisory_unlock(42)")


@pytest.mark.parametrize("table", ["marts.broker_instruments", "public.instruments", "ops.exports"])
def test_readers_go_on_during_a_publication_and_see_the_last_one_whole(
    warehouse: psycopg.Connection, other: psycopg.Connection, postgres_dsn: str, table: str
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY)
    before = everything(warehouse)
    # A lock on the first row of `other` would be waited for no longer than this.
    other.execute("set lock_timeout = '100ms'")
    slow = request(warehouse, lock_timeout_ms=60_000)
    with halfway(postgres_dsn, warehouse, table, lambda c: publish(c, slow)) as (running, _):
        assert everything(other) == before
        streamed = other.execute("select instrument_token from instruments where is_active")
        assert len(streamed.fetchall()) == 2
    assert running.result().publication_id == 2
    other.rollback()
    assert everything(other) != before


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_open_reader_neither_blocks_a_publication_nor_sees_any_of_it(
    warehouse: psycopg.Connection, other: psycopg.Connection, level: IsolationLevel
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    other.isolation_level = level
    before = everything(other)  # its transaction stays open
    with other.cursor() as cursor:
        cursor.execute("select 1")
    inside = {name: content(other, name) for name in before}
    build(warehouse, NEXT_DAY)
    publish(warehouse, request(warehouse))
    rollback_to(warehouse, 1, published_at=DAY_1)
    publish(warehouse, request(warehouse))
    assert {name: content(other, name) for name in before} == inside
    other.rollback()
    assert content(other, "marts.instruments") == content(warehouse, "candidate.instruments")


def test_hand_writers_wait_until_the_publication_is_through(
    warehouse: psycopg.Connection, other: psycopg.Connection, postgres_dsn: str
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY)
    switch = "update instruments set is_active = true where name = 'GAIL'"
    slow = request(warehouse, lock_timeout_ms=60_000)
    with halfway(postgres_dsn, warehouse, "marts.instruments", lambda c: publish(c, slow)) as (
        running,
        _,
    ):
        other.execute("set lock_timeout = '50ms'")
        other.commit()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(switch)
        other.rollback()
    running.result()
    other.execute(switch)
    other.commit()
    assert capture_overrides(warehouse) == 1


def test_hand_writer_in_the_way_is_named(
    warehouse: psycopg.Connection, other: psycopg.Connection
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    other.execute("set application_name = 'psql of Asha'")
    other.execute("update instruments set is_active = true where name = 'GAIL'")
    build(warehouse, NEXT_DAY)
    before = everything(warehouse)
    with pytest.raises(DestinationUnavailable, match="psql of Asha") as caught:
        publish(warehouse, request(warehouse))
    assert caught.value.is_transient
    assert everything(warehouse) == before


def test_two_publications_never_run_side_by_side(
    warehouse: psycopg.Connection, postgres_dsn: str
) -> None:
    build(warehouse)
    slow = request(warehouse, lock_timeout_ms=60_000)
    with halfway(postgres_dsn, warehouse, "ops.exports", lambda c: publish(c, slow)) as (first, _):
        with pytest.raises(DestinationUnavailable, match="another publication"):
            publish(warehouse, request(warehouse))
        with pytest.raises(DestinationUnavailable, match="another publication"):
            capture_overrides(warehouse, lock_timeout_ms=50)
    assert first.result().publication_id == 1
    assert publish(warehouse, request(warehouse)).publication_id == 2


def test_candidate_cannot_be_rebuilt_during_a_publication(
    warehouse: psycopg.Connection, other: psycopg.Connection, postgres_dsn: str
) -> None:
    build(warehouse)
    slow = request(warehouse, lock_timeout_ms=60_000)
    with halfway(postgres_dsn, warehouse, "ops.exports", lambda c: publish(c, slow)) as (done, _):
        other.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("drop schema candidate cascade")
        other.rollback()
    done.result()


def test_build_that_holds_the_candidate_is_waited_for_and_then_named(
    warehouse: psycopg.Connection, other: psycopg.Connection
) -> None:
    build(warehouse)
    other.execute("lock table candidate.broker_instruments in access exclusive mode")
    with pytest.raises(DestinationUnavailable, match="candidate in schema candidate"):
        publish(warehouse, request())


@pytest.mark.parametrize(
    "table",
    ["marts.broker_instruments", "history.publication_changes", "public.instruments",
     "ops.publications", "ops.exports"],
)  # fmt: skip
def test_publication_whose_session_dies_changes_nothing_and_the_next_one_converges(
    warehouse: psycopg.Connection, postgres_dsn: str, table: str
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY)
    before = everything(warehouse)
    slow = request(warehouse, lock_timeout_ms=60_000)
    with halfway(postgres_dsn, warehouse, table, lambda c: publish(c, slow)) as (running, pid):
        warehouse.execute("select pg_terminate_backend(%s, 10000)", [pid])
        with pytest.raises(DestinationUnavailable, match="stopped the publication"):
            running.result(30)
    assert everything(warehouse) == before
    publish(warehouse, request(warehouse))
    assert content(warehouse, "marts.instruments") == content(warehouse, "candidate.instruments")
    assert {row[0] for row in content(warehouse, "public.instruments")} == {
        row.instrument_token for row in NEXT_DAY
    }


def test_rollback_whose_session_dies_changes_nothing(
    warehouse: psycopg.Connection, postgres_dsn: str
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY)
    publish(warehouse, request(warehouse))
    before = everything(warehouse)

    def work(connection: psycopg.Connection) -> object:
        return rollback_to(connection, 1, published_at=DAY_1, lock_timeout_ms=60_000)

    with halfway(postgres_dsn, warehouse, "public.instruments", work) as (running, pid):
        warehouse.execute("select pg_terminate_backend(%s, 10000)", [pid])
        with pytest.raises(DestinationUnavailable):
            running.result(30)
    assert everything(warehouse) == before


@pytest.mark.parametrize("sqlstate", ["53100", "53200"])  # disk full, out of memory
@pytest.mark.parametrize("table", ["marts.instruments", "public.instruments", "ops.exports"])
def test_server_that_runs_out_of_something_midway_changes_nothing(
    warehouse: psycopg.Connection, table: str, sqlstate: str
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "create function fail() returns trigger language plpgsql as $$ begin"
        f" raise exception 'nothing left' using errcode = '{sqlstate}'; end $$;"
        f"create trigger fail after insert on {table} execute function fail()".encode()
    )
    build(warehouse, NEXT_DAY)
    before = everything(warehouse)
    with pytest.raises(DestinationUnavailable, match="nothing left"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_read_only_server_is_unavailable(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    before = everything(warehouse)
    warehouse.execute("set default_transaction_read_only = on")
    with pytest.raises(DestinationUnavailable, match="read-only transaction"):
        publish(warehouse, request())
    assert everything(warehouse) == before


def test_publisher_without_rights_is_told_which(
    warehouse: psycopg.Connection, postgres_dsn: str
) -> None:
    build(warehouse)
    warehouse.execute("create role nobody_much")
    try:
        warehouse.execute("set role nobody_much")
        with pytest.raises(DestinationRefused, match="permission denied for schema candidate"):
            publish(warehouse, request())
    finally:
        warehouse.execute("reset role")
        warehouse.execute("drop role nobody_much")


def test_rows_are_whole_under_a_publication_of_a_different_number_of_rows(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, ROWS[:1])
    publish(warehouse, request(warehouse))
    build(warehouse)
    publish(warehouse, request(warehouse))
    assert content(warehouse, "marts.instruments") == content(warehouse, "candidate.instruments")
