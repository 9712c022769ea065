"""Every broker's rows find their instrument, or say why not."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.dbt.broker_dumps import land_dump, small_dump
from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import COLUMNS, OPS_TABLES, set_parameters
from tests.dbt.kite_rows import small_dump as small_kite_dump

Database = psycopg.Connection[dict[str, Any]]

AS_OF = "2026-08-17"
FEEDS = ("angel_one", "dhan", "upstox")


@pytest.fixture(scope="module")
def statuses(
    dbt_of_every_feed: Dbt, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("dumps")
    land_kite(database, folder)
    for feed in FEEDS:
        land_dump(database, feed, small_dump(feed, folder), as_of=AS_OF, landing=folder)
    return dbt_of_every_feed.build()


def land_kite(database: Database, folder: Path) -> None:
    """Land Kite's small dump as the loader does, and say what the build is for."""
    path = folder / "kite.csv"
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(small_kite_dump())
    land_dump(database, "kite", path, as_of=AS_OF, landing=folder)
    database.execute(OPS_TABLES)
    found = database.execute("select load_id from ops.build_feeds where feed = 'kite'").fetchone()
    assert found is not None
    set_parameters(database, found["load_id"], as_of=AS_OF, filter_text="nifty")
    database.commit()


@pytest.fixture
def damaged(database: Database) -> Iterator[Database]:
    """The candidate, to be damaged for one test only."""
    yield database
    database.rollback()


@pytest.mark.usefixtures("statuses")
def test_every_unit_test_of_many_brokers_passes(dbt_of_every_feed: Dbt, dbt: Dbt) -> None:
    alone = {test.name for test in dbt.manifest.unit_tests.values()}
    names = [
        test.name
        for test in dbt_of_every_feed.manifest.unit_tests.values()
        if test.name not in alone and not test.model.startswith("stg_")
    ]
    assert len(names) >= 11
    results = dbt_of_every_feed.run("test", "--select", *names).result.results
    assert {result.node.name for result in results} == set(names)
    assert {r.node.name: r.message for r in results if str(r.status) != "pass"} == {}


def test_every_model_of_many_brokers_has_a_unit_test(dbt_of_every_feed: Dbt, dbt: Dbt) -> None:
    def models(which: Dbt) -> set[str]:
        return {n.name for n in which.manifest.nodes.values() if str(n.resource_type) == "model"}

    tested = {test.model for test in dbt_of_every_feed.manifest.unit_tests.values()}
    assert models(dbt_of_every_feed) - models(dbt) - tested == set()


def test_what_only_other_brokers_need_costs_kite_alone_no_node(
    dbt_of_every_feed: Dbt, dbt: Dbt
) -> None:
    others = {
        node.name
        for node in dbt_of_every_feed.manifest.nodes.values()
        if str(node.resource_type) in {"model", "seed"} and not node.name.startswith("exp_")
    }
    alone = {node.name for node in dbt.manifest.nodes.values()}
    assert others - alone == {
        "broker_instrument_changes",
        "instrument_aliases",
        "int_broker_instruments__identified",
        "int_broker_instruments__matched",
        "int_broker_instruments__repeated",
        *(f"stg_{feed}__instruments" for feed in FEEDS),
    }


def test_a_good_candidate_passes(statuses: dict[str, str]) -> None:
    assert {name for name, status in statuses.items() if status in {"fail", "error"}} == set()
    assert statuses["matches_are_of_the_same_terms"] == "pass"
    assert statuses["coverage_accounts_for_every_row"] == "pass"


@pytest.mark.usefixtures("statuses")
def test_rows_find_kites_instruments(database: Database) -> None:
    found = rows_of(
        database,
        "select broker, broker_token, canonical_id, match_status, match_reason"
        " from candidate.broker_instruments where broker <> 'kite' order by 1, 2",
    )
    assert [tuple(row.values()) for row in found] == [
        ("angel_one", "2885", "NSE:RELIANCE", "matched", None),
        ("dhan", "2885", "NSE:RELIANCE", "matched", None),
        ("upstox", "BSE_FO|835999", "BFO:SENSEX:2026-08-27:67200:PE", "unmatched",
         "not listed before"),
        ("upstox", "NSE_EQ|INE002A01018", "NSE:RELIANCE", "matched", None),
        ("upstox", "NSE_FO|58072", "NFO:NIFTY:2026-08-25:FUT", "matched_terms_only",
         "exchange token not listed before"),
    ]  # fmt: skip


DAMAGES = {
    "another strike": "update candidate.broker_instruments set strike = 67300"
    " where broker_token = 'BSE_FO|835999'",
    "another expiry": "update candidate.broker_instruments set expiry_date = expiry_date + 1"
    " where broker_token = 'NSE_FO|58072'",
    "another type": "update candidate.broker_instruments set option_type = 'CE'"
    " where broker_token = 'BSE_FO|835999'",
    "another underlying": "update candidate.int_broker_instruments__matched"
    " set underlying = 'SENSEX50' where broker_token = 'BSE_FO|835999'",
    "an underlying that nobody told": "update candidate.int_broker_instruments__matched"
    " set underlying = null where broker_token = 'NSE_FO|58072'",
    "another kind": "update candidate.broker_instruments set instrument_type = 'EQ'"
    " where broker_token = 'NSE_FO|58072'",
    "another exchange": "update candidate.broker_instruments set exchange = 'BSE'"
    " where broker_token = 'NSE_EQ|INE002A01018'",
    "no such instrument": "update candidate.broker_instruments set canonical_id = 'NSE:X'"
    " where broker_token = 'NSE_EQ|INE002A01018'",
    "an instrument of Kite's that is told as the broker's own": "update"
    " candidate.broker_instruments set match_status = 'unmatched'"
    " where broker_token = 'NSE_EQ|INE002A01018'",
}


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_match_is_refused(dbt_of_every_feed: Dbt, damaged: Database, damage: str) -> None:
    query = dbt_of_every_feed.compiled("matches_are_of_the_same_terms")
    assert damaged.execute(query).fetchall() == []
    assert damaged.execute(DAMAGES[damage]).rowcount == 1
    assert damaged.execute(query).fetchall() != []


COVERAGE_DAMAGES = {
    "a row of another broker got lost": "delete from candidate.stg_upstox__instruments"
    " where line_number = (select min(line_number) from candidate.stg_upstox__instruments)",
    "an excluded row is not told": "delete from candidate.excluded_rows where feed = 'dhan'",
    "a listed row is not covered": "delete from candidate.broker_instruments"
    " where broker_token = 'NSE_FO|58072'",
}


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize("damage", COVERAGE_DAMAGES)
def test_a_lost_row_of_another_broker_is_refused(
    dbt_of_every_feed: Dbt, damaged: Database, damage: str
) -> None:
    query = dbt_of_every_feed.compiled("coverage_accounts_for_every_row")
    assert damaged.execute(query).fetchall() == []
    assert damaged.execute(COVERAGE_DAMAGES[damage]).rowcount > 0
    assert damaged.execute(query).fetchall() != []


ALIAS_DAMAGES = {
    "a feed that does not exist": "update candidate.instrument_aliases set feed = 'dahn'",
    "a feed of nobody": "update candidate.instrument_aliases set feed = null",
    "Kite's own": "update candidate.instrument_aliases set feed = 'kite'",
    "a blank exchange": "update candidate.instrument_aliases set exchange = ' '",
    "an exchange with a blank at its end": "update candidate.instrument_aliases"
    " set exchange = exchange || ' '",
    "small letters": "update candidate.instrument_aliases set spelling = lower(spelling)",
    "a spelling with a blank before it": "update candidate.instrument_aliases"
    " set spelling = ' ' || spelling",
    "a blank spelling": "update candidate.instrument_aliases set spelling = ''",
    "an id that is no index's": "update candidate.instrument_aliases"
    " set canonical_id = 'NSE:' || spelling",
    "an id of no name": "update candidate.instrument_aliases set canonical_id = 'INDEX:'",
    "no id": "update candidate.instrument_aliases set canonical_id = null",
    "an alias of two ids": "insert into candidate.instrument_aliases"
    " select feed, exchange, spelling, 'INDEX:OTHER', comment from candidate.instrument_aliases"
    " limit 1",
    "no aliases": "delete from candidate.instrument_aliases",
}


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize("damage", ALIAS_DAMAGES)
def test_a_seed_of_aliases_that_cannot_be_used_is_refused(
    dbt_of_every_feed: Dbt, damaged: Database, damage: str
) -> None:
    query = dbt_of_every_feed.compiled("seeds_can_be_used")
    assert damaged.execute(query).fetchall() == []
    statement = ALIAS_DAMAGES[damage]
    if statement.startswith("update"):
        statement += " where spelling = 'BSE CD'"
    assert damaged.execute(statement).rowcount >= 1
    assert {row["seed"] for row in damaged.execute(query)} == {"instrument_aliases"}


@pytest.mark.usefixtures("statuses")
def test_the_aliases_lead_to_one_index_each(database: Database) -> None:
    found = rows_of(database, "select * from candidate.instrument_aliases")
    keys = {(row["feed"], row["exchange"], row["spelling"]) for row in found}
    assert len(keys) == len(found) >= 30
    for row in found:
        assert row["feed"] in FEEDS
        assert row["spelling"] == row["spelling"].upper().strip()
        assert row["canonical_id"].startswith("INDEX:")
        assert row["canonical_id"] != f"INDEX:{row['spelling']}"
        assert row["comment"]
