"""History beside the publisher: what it began with, what damaged it, what its shape became."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from exporters.errors import DestinationRefused
from exporters.postgres import publish, rollback_to
from exporters.postgres.errors import OlderThanPublished
from tests.exporters.postgres.candidate_builder import (
    DAY_1,
    GAIL_CE,
    NIFTY_CE,
    NIFTY_PE,
    RELIANCE,
    ROWS,
    build,
    everything,
    request,
)
from tests.history_invariants import violations

MONDAY = date(2026, 8, 17)
VERSIONS = (
    "select canonical_id, instrument_id, lot_size, valid_from, valid_to, publication_id, closed_by,"
    " superseded_by from history.instrument_versions order by 1, 4, 6"
)


def publish_day(warehouse: psycopg.Connection, rows: Any, days: int, alter: str = "") -> int:
    build(warehouse, rows, alter=alter)
    as_of = MONDAY + timedelta(days=days)
    number = publish(warehouse, request(warehouse, as_of_date=as_of)).publication_id
    assert violations(warehouse) == {}
    return number


def test_the_first_publication_has_versions_and_no_events(warehouse: psycopg.Connection) -> None:
    publish_day(warehouse, ROWS, 0)
    rows = warehouse.execute(VERSIONS).fetchall()
    assert {row[0] for row in rows} == {row.canonical_id for row in ROWS}
    assert {row[3:] for row in rows} == {(MONDAY, None, 1, None, None)}
    assert warehouse.execute("select count(*) from history.instrument_events").fetchone() == (0,)


def test_an_older_day_is_refused_and_changes_nothing(warehouse: psycopg.Connection) -> None:
    publish_day(warehouse, ROWS, 1)
    before = everything(warehouse)
    build(warehouse, ROWS[1:])
    with pytest.raises(OlderThanPublished, match="2026-08-17 is before 2026-08-18"):
        publish(warehouse, request(warehouse, as_of_date=MONDAY))
    assert everything(warehouse) == before
    rollback_to(warehouse, 1, published_at=DAY_1)
    publish_day(warehouse, ROWS[1:], 1)


def test_history_begins_where_a_warehouse_of_before_it_stands(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, ROWS, 0)
    publish_day(warehouse, (NIFTY_CE, RELIANCE), 1)
    # As an older version of the warehouse left it: published, and nothing remembered.
    warehouse.execute(
        "drop view history.instrument_versions, history.broker_instrument_versions;"
        "drop table history.past_instrument_versions, history.past_broker_instrument_versions,"
        " history.current_instruments, history.current_broker_instruments,"
        " history.instrument_events"
    )
    publish_day(warehouse, (NIFTY_CE, RELIANCE, NIFTY_PE), 2)
    begun = warehouse.execute(VERSIONS).fetchall()
    assert {row[3] for row in begun} == {MONDAY + timedelta(days=2)}
    ids = {row[0]: row[1] for row in begun}
    # Back to a day that history knows nothing of: it begins again, the numbers stay.
    rollback_to(warehouse, 1, published_at=DAY_1)
    assert violations(warehouse) == {}
    now = {
        row[0]: row[1] for row in warehouse.execute(VERSIONS).fetchall() if row[7] is None
    }  # fmt: skip
    assert set(now) == {row.canonical_id for row in ROWS}
    assert {name: now[name] for name in ids} == ids
    publish_day(warehouse, ROWS[1:], 3)


def test_damage_that_is_mended_is_no_event(warehouse: psycopg.Connection) -> None:
    publish_day(warehouse, ROWS, 0)
    before = warehouse.execute(VERSIONS).fetchall()
    for damage in (
        "delete from marts.instruments where canonical_id like 'NFO:%'",
        "truncate marts.instruments, marts.broker_instruments",
        "insert into marts.instruments (canonical_id, tradingsymbol) values ('X:Y', 'Y')",
        "drop table marts.instruments cascade",
    ):
        warehouse.execute(damage)
        publish_day(warehouse, ROWS, 1)
        assert warehouse.execute(VERSIONS).fetchall() == before, damage
    assert warehouse.execute("select count(*) from history.instrument_events").fetchone() == (0,)


def test_a_column_that_comes_begins_no_versions_and_is_followed(
    warehouse: psycopg.Connection,
) -> None:
    wider = "alter table candidate.instruments add column kind text not null default 'option';"
    publish_day(warehouse, ROWS, 0)
    publish_day(warehouse, ROWS, 1, wider)
    kinds = "select distinct kind, valid_from from history.instrument_versions"
    assert warehouse.execute(kinds).fetchall() == [("option", MONDAY)]
    changed = "alter table candidate.instruments add column kind text not null default 'share';"
    publish_day(warehouse, ROWS, 2, changed)
    assert warehouse.execute(kinds + " order by 2").fetchall() == [
        ("option", MONDAY), ("share", MONDAY + timedelta(days=2)),
    ]  # fmt: skip


def test_a_column_that_widens_keeps_what_was(warehouse: psycopg.Connection) -> None:
    publish_day(warehouse, ROWS, 0)
    publish_day(warehouse, (*ROWS[:3], replace(GAIL_CE, lot_size=1)), 1)
    wider = "alter table candidate.instruments alter column lot_size type bigint;"
    publish_day(warehouse, (*ROWS[:3], replace(GAIL_CE, lot_size=2)), 2, wider)
    lots = warehouse.execute(
        "select lot_size, pg_typeof(lot_size)::text from history.instrument_versions"
        " where canonical_id = %s order by valid_from",
        [GAIL_CE.canonical_id],
    ).fetchall()
    assert lots == [(3150, "bigint"), (1, "bigint"), (2, "bigint")]


def test_a_plan_writes_no_history(warehouse: psycopg.Connection) -> None:
    publish_day(warehouse, ROWS, 0)
    before = warehouse.execute(VERSIONS).fetchall()
    build(warehouse, ROWS[1:])
    publish(warehouse, request(warehouse, as_of_date=MONDAY), plan_only=True)
    assert warehouse.execute(VERSIONS).fetchall() == before
    assert violations(warehouse) == {}


KILLERS = {
    "versions of an instrument overlap": "update history.past_instrument_versions"
    " set valid_to = valid_to + 1",
    "a current row is repeated": "insert into history.current_broker_instruments"
    " select * from history.current_broker_instruments limit 1",
    "an open version is not what is published": "delete from history.current_instruments",
    "an open broker version is not what is published": "delete from"
    " history.current_broker_instruments",
    "an event lacks a side": "delete from history.past_instrument_versions",
    "a broker's event lacks a side": "delete from history.current_broker_instruments",
}


@pytest.mark.parametrize("told", KILLERS)
def test_each_invariant_can_fail(warehouse: psycopg.Connection, told: str) -> None:
    publish_day(warehouse, ROWS, 0)
    moved = replace(RELIANCE, instrument_token=999 * 256 + 1, lot_size=2)
    publish_day(warehouse, (*ROWS[:4], moved), 1)
    warehouse.execute(KILLERS[told].encode())
    assert told in violations(warehouse)


MINE = """
create schema mine;
create view mine.versions as
select canonical_id, lot_size, valid_to from history.instrument_versions;
create view mine.monday as
select canonical_id, lot_size from history.instruments_as_of('2026-08-17');
"""


def test_what_people_build_on_history_stays_when_a_column_comes(
    warehouse: psycopg.Connection,
) -> None:
    kind = "alter table candidate.instruments add column kind text not null default 'option';"
    publish_day(warehouse, ROWS, 0)
    warehouse.execute(MINE)
    oid = "select 'history.instrument_versions'::regclass::oid"
    before = warehouse.execute(oid).fetchall()
    publish_day(warehouse, ROWS[1:], 1, kind)
    # The very view, and so the rights on it too.
    assert warehouse.execute(oid).fetchall() == before
    ended = warehouse.execute("select canonical_id from mine.versions where valid_to is not null")
    assert ended.fetchall() == [(ROWS[0].canonical_id,)]
    assert warehouse.execute("select count(*) from mine.monday").fetchone() == (len(ROWS),)
    kinds = "select distinct kind from history.instrument_versions where valid_to is null"
    assert warehouse.execute(kinds).fetchall() == [("option",)]
    seen = "select distinct kind from history.instruments_as_seen('2026-08-18', 2)"
    assert warehouse.execute(seen).fetchall() == [("option",)]
    # The function that somebody's view reads gains the column once it is free.
    as_of = "select distinct kind from history.instruments_as_of('2026-08-18')"
    with pytest.raises(psycopg.errors.UndefinedColumn):
        warehouse.execute(as_of)
    warehouse.execute("drop view mine.monday")
    publish_day(warehouse, ROWS[1:], 2, kind)
    assert warehouse.execute(as_of).fetchall() == [("option",)]


@pytest.mark.parametrize(("mine", "named"), [("monday", "versions"), ("versions", "monday")])
def test_a_type_that_changes_under_what_people_built_is_refused_by_name(
    warehouse: psycopg.Connection, mine: str, named: str
) -> None:
    publish_day(warehouse, ROWS, 0)
    warehouse.execute(MINE)
    warehouse.execute(f"drop view mine.{mine}".encode())
    before = everything(warehouse)
    wider = (
        "alter table candidate.broker_instruments alter column lot_size type bigint;"
        "alter table candidate.instruments alter column lot_size type bigint;"
    )
    build(warehouse, ROWS[1:], alter=wider)
    with pytest.raises(DestinationRefused, match=f"view mine.{named}"):
        publish(warehouse, request(warehouse, as_of_date=MONDAY))
    assert everything(warehouse) == before
    warehouse.execute("drop schema mine cascade")
    publish_day(warehouse, ROWS[1:], 1, wider)
    lots = "select pg_typeof(lot_size)::text from history.instruments_as_of('2026-08-18') limit 1"
    assert warehouse.execute(lots).fetchall() == [("bigint",)]
