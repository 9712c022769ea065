"""Filters, overrides, `all`, and the focus set under a given price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import Row, contract, land, publish, row, set_filter, small_dump

Database = psycopg.Connection[dict[str, Any]]

SUBSCRIPTIONS = ("active_subscriptions", "exp_dotenv__instruments")

# Names that only begin like a filter's, and an expired contract of the filter itself.
NOT_NIFTY = [
    contract("NIFTYNXT50", "NFO", "2026-08-25", 1),
    contract("NIFTYFPI", "NFO", "2026-08-25", 2),
    contract("SENSEX50", "BFO", "2026-08-25", 3),
    row(instrument_token="2707713", exchange_token="10577", tradingsymbol="NIFTYBEES",
        name="NIFTY"),
    contract("NIFTY", "NFO", "2026-08-16", 4),
]  # fmt: skip


def rows() -> list[Row]:
    return [*small_dump(), *NOT_NIFTY]


@pytest.fixture(scope="module")
def built(dbt: Dbt, database: Database) -> None:
    land(database, rows(), as_of="2026-08-17")
    dbt.build()


@pytest.fixture
def warehouse(built: None, database: Database) -> Iterator[Database]:
    yield database
    database.rollback()
    database.execute("delete from ops.subscription_overrides")
    database.execute("drop schema if exists marts cascade")
    set_filter(database, "nifty")


def subscribed(dbt: Dbt, database: Database, filter_text: str) -> dict[str, str]:
    """Build the subscription under a filter: each symbol and its origin, in order."""
    set_filter(database, filter_text)
    dbt.build("--select", "stg_published__active_subscriptions", *SUBSCRIPTIONS)
    found = rows_of(
        database,
        "select tradingsymbol, origin from candidate.active_subscriptions"
        " order by subscription_position",
    )
    return {values["tradingsymbol"]: values["origin"] for values in found}


def override(database: Database, canonical_id: str, token: int, *, is_active: bool) -> None:
    database.execute(
        "insert into ops.subscription_overrides values (%s, %s, %s, 'hand', now())",
        [canonical_id, token, is_active],
    )


def wanted(*names: str) -> dict[str, str]:
    return {
        values["tradingsymbol"]: "filter"
        for values in small_dump()
        if values["name"] in names and values["instrument_type"] != "EQ"
    }


@pytest.mark.parametrize(
    ("filter_text", "names"),
    [
        ("nifty", ["NIFTY"]),
        ("sensex", ["SENSEX"]),
        ("nifty,banknifty", ["NIFTY", "BANKNIFTY"]),
        ("finnifty", []),
    ],
)
def test_filters_match_names_by_equality_and_drop_what_expired(
    dbt: Dbt, warehouse: Database, filter_text: str, names: list[str]
) -> None:
    found = subscribed(dbt, warehouse, filter_text)
    assert list(found.items()) == list(wanted(*names).items())


def test_hand_changes_outlive_builds_and_filters(dbt: Dbt, warehouse: Database) -> None:
    override(warehouse, "NSE:RELIANCE", 738561, is_active=True)
    override(warehouse, "NFO:NIFTY:2026-08-25:FUT", 1, is_active=False)
    override(warehouse, "NFO:NIFTY:2026-08-16:FUT", 1026, is_active=True)
    override(warehouse, "NSE:LEFT THE DUMP", 738561, is_active=True)
    expected = {"RELIANCE": "override"} | wanted("NIFTY")
    del expected["NIFTY26AUGFUT"]
    assert subscribed(dbt, warehouse, "nifty") == expected
    expected = {"RELIANCE": "override"} | wanted("SENSEX")
    assert subscribed(dbt, warehouse, "sensex") == expected


def test_all_keeps_what_is_streamed_and_leaves_the_env_line(dbt: Dbt, warehouse: Database) -> None:
    before = subscribed(dbt, warehouse, "banknifty")
    publish(warehouse, ["active_subscriptions"])
    warehouse.execute(
        "insert into marts.active_subscriptions (instrument_token, canonical_id) values"
        " (1, 'NSE:LEFT THE DUMP'), (1026, 'NFO:NIFTY:2026-08-16:FUT')"
    )
    override(warehouse, "NSE:RELIANCE", 738561, is_active=True)
    override(warehouse, "NFO:BANKNIFTY:2026-08-25:FUT", 1, is_active=False)
    expected = {"RELIANCE": "override"} | dict.fromkeys(before, "kept")
    del expected["BANKNIFTY26AUGFUT"]
    assert subscribed(dbt, warehouse, "all") == expected
    assert rows_of(warehouse, "select * from candidate.exp_dotenv__instruments") == []


def test_all_subscribes_to_nothing_before_the_first_publication(
    dbt: Dbt, warehouse: Database
) -> None:
    assert subscribed(dbt, warehouse, "all") == {}


def test_a_filter_that_no_seed_row_defines_fails_its_test(dbt: Dbt, warehouse: Database) -> None:
    set_filter(warehouse, "nifty,nifti")
    statuses = dbt.build("--select", "filter_names_are_defined")
    assert statuses["filter_names_are_defined"] == "fail"


def test_a_filter_of_ones_own_needs_a_seed_row_and_nothing_else(
    dbt: Dbt, warehouse: Database
) -> None:
    warehouse.execute(
        "insert into candidate.subscription_filters values ('mine', 'NIFTY 50', 'INDICES', '')"
    )
    warehouse.commit()
    assert subscribed(dbt, warehouse, "mine") == {"NIFTY 50": "filter"}


@pytest.mark.parametrize(
    ("prices", "middle", "source"),
    [
        ("{}", 24500, "middle_strike"),
        ('{"NIFTY": 24524.9}', 24500, "given"),
        ('{"NIFTY": 24525.1}', 24550, "given"),
        ('{"NIFTYNXT50": 1}', 24500, "middle_strike"),
    ],
)
def test_the_focus_set_says_where_its_money_is(
    dbt: Dbt, database: Database, prices: str, middle: int, source: str
) -> None:
    land(database, rows(), as_of="2026-08-17", reference_prices=prices)
    dbt.build("--select", "+focus_instruments")
    found = rows_of(
        database,
        "select distinct strike, reference_price_source as source"
        " from candidate.focus_instruments where underlying = 'NIFTY' and strike_offset = 0",
    )
    assert found == [{"strike": middle, "source": source}]
