"""What analysts ask of history: lots over time, and what came and went, day by day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from exporters.errors import DestinationRefused
from exporters.postgres import publish
from tests.exporters.postgres.candidate_builder import TABLES, build, request

MONDAY = date(2026, 8, 17)
SHAPE = """
alter table candidate.instruments
    add column exchange text, add column reference_broker text, add column kind text,
    add column underlying text, add column expiry_date date;
"""
EXPIRY = date(2026, 10, 27)
LOTS = (
    "select underlying, kind, reference_broker, lot_size, contracts, valid_from, valid_to"
    " from history.lot_size_timeline order by 1, 2, 3, valid_from"
)
LISTINGS = "select * from history.listings_by_day order by as_of_date, exchange, kind, underlying"


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def publish_day(
    warehouse: psycopg.Connection,
    number: int,
    lots: Mapping[str, int | None],
    *,
    reference: str = "kite",
    alter: str = "",
) -> None:
    """Publish contracts (`NIFTY FUT`, `NIFTY 100`) with their lots, and shares (`ACC`) with one."""
    build(warehouse, (), alter=SHAPE + alter)
    for token, (name, lot) in enumerate(lots.items(), start=1):
        underlying, _, terms = name.partition(" ")
        kind = {"": "cash", "FUT": "future"}.get(terms, "option")
        place = "NSE" if kind == "cash" else "NFO"
        canonical_id = f"{place}:{name}"
        warehouse.execute(
            "insert into candidate.broker_instruments (broker, exchange, broker_token,"
            " instrument_token, canonical_id, tradingsymbol, instrument_type, lot_size)"
            " values ('kite', %s, %s, %s, %s, %s, 'CE', %s)",
            (place, str(token), token, canonical_id, name, lot),
        )
        warehouse.execute(
            "insert into candidate.instruments (canonical_id, tradingsymbol, lot_size, exchange,"
            " reference_broker, kind, underlying, expiry_date)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (canonical_id, name, lot, place, reference, kind, underlying,
             None if kind == "cash" else EXPIRY),
        )  # fmt: skip
    publish(warehouse, request(None, tables=TABLES, as_of_date=day(number)))


def asked(warehouse: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return warehouse.execute(query.encode()).fetchall()


def test_a_spell_of_one_lot_is_one_row_however_its_strikes_come_and_go(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, 0, {"NIFTY 100": 75, "NIFTY FUT": 75, "ACC": 1})
    publish_day(warehouse, 1, {"NIFTY 100": 75, "NIFTY 110": 75, "NIFTY FUT": 75, "ACC": 1})
    publish_day(warehouse, 2, {"NIFTY 110": 65, "NIFTY 120": 65, "NIFTY FUT": 65, "ACC": 1})
    publish_day(warehouse, 3, {"NIFTY 110": 75, "NIFTY 120": 75, "NIFTY FUT": 65, "ACC": 1})
    assert asked(warehouse, LOTS) == [
        ("NIFTY", "future", "kite", 75, 1, day(0), day(2)),
        ("NIFTY", "future", "kite", 65, 1, day(2), None),
        ("NIFTY", "option", "kite", 75, 2, day(0), day(2)),
        ("NIFTY", "option", "kite", 65, 2, day(2), day(3)),
        ("NIFTY", "option", "kite", 75, 2, day(3), None),
    ]


def test_a_gap_ends_a_spell_and_other_brokers_units_stand_apart(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, 0, {"GOLD FUT": 100, "ACC": 1})
    publish_day(warehouse, 1, {"ACC": 1})
    publish_day(warehouse, 2, {"GOLD FUT": 100, "ACC": 1})
    publish_day(warehouse, 3, {"GOLD FUT": 1, "ACC": 1}, reference="dhan")
    publish_day(warehouse, 4, {"GOLD FUT": None, "ACC": 1}, reference="dhan")
    assert asked(warehouse, LOTS) == [
        ("GOLD", "future", "dhan", 1, 1, day(3), day(4)),
        ("GOLD", "future", "kite", 100, 1, day(0), day(1)),
        ("GOLD", "future", "kite", 100, 1, day(2), day(3)),
    ]


def test_a_lot_that_was_taken_back_the_same_day_was_never_one(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, 0, {"NIFTY FUT": 75})
    publish_day(warehouse, 1, {"NIFTY FUT": 7_500})
    publish_day(warehouse, 1, {"NIFTY FUT": 65})
    assert asked(warehouse, LOTS) == [
        ("NIFTY", "future", "kite", 75, 1, day(0), day(1)),
        ("NIFTY", "future", "kite", 65, 1, day(1), None),
    ]


def test_listings_are_counted_by_day_exchange_kind_and_underlying(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, 0, {"NIFTY 100": 75, "NIFTY FUT": 75, "ACC": 1})
    publish_day(warehouse, 1, {"NIFTY 110": 75, "NIFTY 120": 75, "NIFTY FUT": 65, "ACC": 1, "B": 1})
    same = {"NIFTY 110": 75, "NIFTY 120": 75, "NIFTY FUT": 65, "B": 1}
    publish_day(warehouse, 2, same | {"C": 1})
    publish_day(warehouse, 2, same)
    # Another lot is no listing, the first day has none, and what was taken back did not happen.
    assert asked(warehouse, LISTINGS) == [
        (day(1), "NFO", "option", "NIFTY", 2, 0, 1, 0),
        (day(1), "NSE", "cash", "B", 1, 0, 0, 0),
        (day(2), "NSE", "cash", "ACC", 0, 0, 1, 0),
    ]


def test_contracts_that_end_have_expired(warehouse: psycopg.Connection) -> None:
    publish_day(warehouse, 0, {"NIFTY FUT": 75, "ACC": 1})
    publish_day(warehouse, (EXPIRY - MONDAY).days + 1, {"ACC": 1})
    assert asked(warehouse, LISTINGS) == [(EXPIRY + timedelta(days=1), "NFO", "future", "NIFTY",
                                           0, 0, 0, 1)]  # fmt: skip


def test_a_publication_does_not_wait_for_who_reads_the_views(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, 0, {"NIFTY FUT": 75})
    with psycopg.connect(warehouse.info.dsn) as reader:
        assert reader.execute(LOTS.encode()).fetchall()
        assert reader.execute(LISTINGS.encode()).fetchall() == []
        publish_day(warehouse, 1, {"NIFTY FUT": 65})
        reader.rollback()
        assert len(reader.execute(LOTS.encode()).fetchall()) == 2


def test_the_views_are_made_again_when_a_column_below_them_widens(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, 0, {"NIFTY FUT": 75})
    views = ("history.lot_size_timeline", "history.instrument_versions")
    for view in views:
        warehouse.execute(f"grant select on {view} to public".encode())
    wider = "alter table candidate.instruments alter column lot_size type bigint;"
    publish_day(warehouse, 1, {"NIFTY FUT": 300}, alter=wider)
    assert [row[3] for row in asked(warehouse, LOTS)] == [75, 300]
    for view in views:
        assert is_open_to_all(warehouse, view)


def is_open_to_all(warehouse: psycopg.Connection, view: str) -> bool:
    found = warehouse.execute("select has_table_privilege('public', %s, 'select')", [view])
    return found.fetchone() == (True,)


def made_by_an_older_version(warehouse: psycopg.Connection, columns: str) -> None:
    name = "history.lot_size_timeline"
    row = warehouse.execute("select pg_get_viewdef(%s::regclass)", [name]).fetchone()
    assert row is not None
    warehouse.execute(
        f"create or replace view {name} as"
        f" select {columns} from ({row[0].rstrip(';')}) as v where false;"
        f"comment on view {name} is 'an older definition'".encode()
    )


def test_a_definition_of_before_is_replaced_under_what_others_built_on_it(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, 0, {"NIFTY FUT": 75})
    warehouse.execute("create view public.theirs as select * from history.lot_size_timeline")
    made_by_an_older_version(warehouse, "v.*")
    assert warehouse.execute("select from public.theirs").fetchall() == []
    publish_day(warehouse, 1, {"NIFTY FUT": 75})
    assert len(warehouse.execute("select from public.theirs").fetchall()) == 1


def test_a_definition_that_loses_a_column_is_refused_by_who_needs_it(
    warehouse: psycopg.Connection,
) -> None:
    publish_day(warehouse, 0, {"NIFTY FUT": 75})
    made_by_an_older_version(warehouse, "v.*, true as extra")
    warehouse.execute(
        "create view public.theirs as select extra from history.lot_size_timeline;"
        "grant select on history.lot_size_timeline to public"
    )
    with pytest.raises(DestinationRefused, match=r"others are built on it: view theirs depends"):
        publish_day(warehouse, 1, {"NIFTY FUT": 75})
    warehouse.execute("drop view public.theirs")
    publish_day(warehouse, 1, {"NIFTY FUT": 75})
    assert asked(warehouse, LOTS)
    assert is_open_to_all(warehouse, "history.lot_size_timeline")
