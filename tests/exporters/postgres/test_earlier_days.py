"""Days put before a history, where brokers, rollbacks or repeated days make it less plain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporters.errors import DestinationRefused
from exporters.postgres import Earlier, put_before, rollback_to
from exporters.postgres.errors import PublicationUnknown
from exporters.schema import ensure_schema
from tests.exporters.postgres.days_of_brokers import DHAN, KITE, MONDAY, REST, Days
from tests.history_invariants import violations

NOW = datetime(2026, 9, 1, 3, tzinfo=UTC)
FRIDAY = MONDAY - timedelta(days=3)
VERSIONS = (
    "select broker, lot_size, valid_from, valid_to from history.broker_instrument_versions"
    " where superseded_by is null and broker_token in ('512', '2') order by 1, 3"
)


@contextmanager
def beside(warehouse: psycopg.Connection, first: date = FRIDAY) -> Iterator[Days]:
    """Days in an empty database on the same server."""
    name = f"{conninfo_to_dict(warehouse.info.dsn)['dbname']}_backfill"
    warehouse.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    dsn = make_conninfo(warehouse.info.dsn, dbname=name)
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            ensure_schema(connection)
            days = Days(connection)
            days.day = first - timedelta(days=1)
            yield days
    finally:
        warehouse.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def splice(days: Days, side: Days) -> Earlier:
    earlier = put_before(days.warehouse, side.warehouse, published_at=NOW)
    assert violations(days.warehouse) == {}
    return earlier


def skip_to(days: Days, day: date) -> None:
    days.day = day - timedelta(days=1)


def believed(days: Days, day: date) -> list[tuple[Any, ...]]:
    return days.warehouse.execute(
        "select broker, tradingsymbol from history.broker_instruments_as_of(%s)"
        " where broker_token in ('512', '2') order by 1",
        [day],
    ).fetchall()


@pytest.fixture
def days(warehouse: psycopg.Connection) -> Days:
    return Days(warehouse)


def test_versions_reach_back_and_what_had_left_is_known(days: Days) -> None:
    days.publish(KITE, DHAN)
    one = days.id()
    gone = replace(KITE, token="600", symbol="GONE", canonical_id="NFO:GONE")
    with beside(days.warehouse) as side:
        side.publish(replace(KITE, lot=50), gone)
        side.publish(KITE)
        skip_to(side, MONDAY)
        side.publish(KITE, DHAN)
        earlier = splice(days, side)
    assert earlier == Earlier((FRIDAY, FRIDAY + timedelta(days=1)), 5, 1, 0)
    assert days.id() == one
    assert days.warehouse.execute(VERSIONS).fetchall() == [
        ("dhan", 1, MONDAY, None),
        ("kite", 50, FRIDAY, FRIDAY + timedelta(days=1)),
        ("kite", 75, FRIDAY + timedelta(days=1), None),
    ]
    # What began with the history has happened now.
    assert days.told(MONDAY) == [("listed", "dhan", "2", None, DHAN.symbol)]
    assert days.told(FRIDAY) == []
    assert days.told(FRIDAY + timedelta(days=1)) == [
        ("delisted", None, None, "GONE", None),
        ("lot_changed", None, None, "50", "75"),
    ]
    publications = days.warehouse.execute(
        "select publication_id, as_of_date, brought_in_after from ops.publications order by 1"
    ).fetchall()
    assert publications == [
        (-1, FRIDAY, 1), (0, FRIDAY + timedelta(days=1), 1), (1, MONDAY, None),
    ]  # fmt: skip


def test_what_is_told_after_the_first_day_knows_of_the_days_before(days: Days) -> None:
    days.publish(KITE)
    taken = replace(DHAN, token="77", symbol="TAKEN", canonical_id="NFO:TAKEN")
    days.publish(KITE, DHAN, taken)
    assert days.told() == [
        ("listed", None, None, None, "TAKEN"), ("listed", "dhan", "2", None, DHAN.symbol),
    ]  # fmt: skip
    with beside(days.warehouse) as side:
        side.publish(KITE, DHAN, replace(taken, symbol="FIRST", canonical_id="NFO:FIRST"))
        side.publish(KITE)
        skip_to(side, MONDAY)
        side.publish(KITE)
        splice(days, side)
    assert days.told() == [
        ("listed", None, None, None, "TAKEN"),
        ("relisted", "dhan", "2", None, DHAN.symbol),
        ("token_reused", "dhan", "77", "NFO:FIRST", "NFO:TAKEN"),
    ]


def test_a_broker_that_history_reads_later_brings_no_news_of_before(days: Days) -> None:
    """As if it had been read, left and come back: a change of the warehouse, not of the market."""
    kite = tuple(one for one in REST if one.broker == "kite")
    days.publish(KITE, rest=kite)
    days.publish(KITE, replace(DHAN, token="77"), rest=(*kite, REST[2]))
    with beside(days.warehouse) as side:
        side.publish(KITE, replace(DHAN, token="77", canonical_id="NFO:OTHER"),
                     rest=(*kite, REST[2]))  # fmt: skip
        skip_to(side, MONDAY)
        side.publish(KITE, rest=kite)
        splice(days, side)
    assert days.told() == []
    assert days.told(MONDAY) == []


def test_before_a_day_that_was_published_twice_nothing_of_either_is_lost(days: Days) -> None:
    days.publish(KITE)
    days.publish(replace(KITE, lot=65), again=True)
    one = days.id()
    with beside(days.warehouse) as side:
        side.publish(KITE)
        skip_to(side, MONDAY)
        assert side.publish(replace(KITE, lot=65)) == [("lot_changed", None, None, "75", "65")]
        splice(days, side)
    assert days.warehouse.execute(VERSIONS).fetchall() == [
        ("kite", 75, FRIDAY, MONDAY), ("kite", 65, MONDAY, None),
    ]  # fmt: skip
    rollback_to(days.warehouse, 1, published_at=NOW)
    assert violations(days.warehouse) == {}
    assert [row[1] for row in days.warehouse.execute(VERSIONS)] == [75, 75]
    assert days.id() == one
    rollback_to(days.warehouse, 2, published_at=NOW)
    assert violations(days.warehouse) == {}
    assert [row[1] for row in days.warehouse.execute(VERSIONS)] == [75, 65]
    assert believed(days, FRIDAY) == [("kite", KITE.symbol)]


def test_days_go_before_days_that_were_put_before(days: Days) -> None:
    days.publish(KITE)
    earliest = FRIDAY - timedelta(days=1)
    with beside(days.warehouse) as side:
        side.publish(KITE)
        skip_to(side, MONDAY)
        side.publish(KITE)
        splice(days, side)
    with beside(days.warehouse, earliest) as side:
        side.publish(KITE)
        side.publish(KITE)
        assert splice(days, side).days == (earliest,)
    found = days.warehouse.execute(
        "select publication_id, as_of_date from ops.publications order by 1"
    ).fetchall()
    assert found == [(-1, earliest), (0, FRIDAY), (1, MONDAY)]
    assert days.warehouse.execute(VERSIONS).fetchall() == [("kite", 75, earliest, None)]
    assert days.publish(replace(KITE, lot=65)) == [("lot_changed", None, None, "75", "65")]
    rollback_to(days.warehouse, 1, published_at=NOW)
    assert days.warehouse.execute(VERSIONS).fetchall() == [("kite", 75, earliest, None)]


def test_consumers_were_not_shown_what_was_brought_in_later(days: Days) -> None:
    days.publish(KITE)
    days.publish(KITE)
    with beside(days.warehouse) as side:
        side.publish(KITE)
        skip_to(side, MONDAY)
        side.publish(KITE)
        splice(days, side)
    days.publish(KITE)
    seen = {
        (day, publication): bool(
            days.warehouse.execute(
                "select from history.instruments_as_seen(%s, %s)", [day, publication]
            ).fetchall()
        )
        for day in (FRIDAY, MONDAY)
        for publication in (1, 2, 3)
    }
    assert seen == {
        (FRIDAY, 1): False, (FRIDAY, 2): True, (FRIDAY, 3): True,
        (MONDAY, 1): True, (MONDAY, 2): True, (MONDAY, 3): True,
    }  # fmt: skip
    for number in (0, -1):
        with pytest.raises(PublicationUnknown):
            rollback_to(days.warehouse, number, published_at=NOW)


def test_days_that_do_not_end_where_history_begins_are_refused(days: Days) -> None:
    days.publish(KITE)
    with beside(days.warehouse) as side:
        side.publish(KITE)
        with pytest.raises(DestinationRefused, match="end with 2026-08-14, and history begins"):
            splice(days, side)
    assert days.warehouse.execute(VERSIONS).fetchall() == [("kite", 75, MONDAY, None)]


def test_nothing_goes_before_publications_that_history_does_not_know(days: Days) -> None:
    days.publish(KITE)
    # As an older version of the warehouse left it.
    days.warehouse.execute(
        "delete from history.current_instruments;delete from history.current_broker_instruments"
    )
    days.publish(KITE)
    with beside(days.warehouse) as side:
        side.publish(KITE)
        skip_to(side, MONDAY)
        side.publish(KITE)
        with pytest.raises(DestinationRefused, match="before there was a history"):
            splice(days, side)
