"""Which destinations a publication has: the map of brokers where there are several, or was one."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from warehouse import destinations
from warehouse.clock import Clock
from warehouse.session import Warehouse
from warehouse.settings import Settings

MAP = "canonical_instruments"
ALWAYS = {"redis", "dotenv", "registry_snapshot", "token_lookup", "focus_instruments"}


@pytest.fixture
def warehouse(ledger: psycopg.Connection, settings: Settings) -> Warehouse:
    return Warehouse(settings, Clock(None), "", ledger)


def publish_the_view(ledger: psycopg.Connection) -> None:
    ledger.execute("create view marts.exp_yaml__canonical_instruments as select 1 as one")


def write_the_file(settings: Settings) -> None:
    settings.canonical_instruments_path.parent.mkdir(parents=True)
    settings.canonical_instruments_path.touch()


def test_kite_alone_begins_no_map_of_brokers(
    warehouse: Warehouse, ledger: psycopg.Connection
) -> None:
    assert set(destinations.names(warehouse)) == ALWAYS
    # Somebody deleted the file: nobody reads it.
    publish_the_view(ledger)
    assert set(destinations.names(warehouse)) == ALWAYS


def test_several_feeds_have_one(warehouse: Warehouse) -> None:
    several = replace(
        warehouse, settings=warehouse.settings.model_copy(update={"feeds": ("kite", "dhan")})
    )
    for schema in ("marts", "candidate"):
        assert set(destinations.names(several, schema)) == {*ALWAYS, MAP}


def test_one_that_was_written_is_kept_up_by_kite_alone(
    warehouse: Warehouse, ledger: psycopg.Connection
) -> None:
    publish_the_view(ledger)
    write_the_file(warehouse.settings)
    assert set(destinations.names(warehouse)) == {*ALWAYS, MAP}
    # A candidate of Kite alone has nothing to plan it from.
    assert set(destinations.names(warehouse, "candidate")) == ALWAYS


def test_a_file_that_this_database_never_published_is_left_alone(warehouse: Warehouse) -> None:
    write_the_file(warehouse.settings)
    assert set(destinations.names(warehouse)) == ALWAYS
