"""What the staging models of all brokers but Kite promise: one shape, and no row lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.dbt.broker_dumps import SMALL_AS_OF, land_dump, small_dump
from tests.dbt.conftest import Dbt, rows_of

Database = psycopg.Connection[dict[str, Any]]

FEEDS = ("angel_one", "dhan", "upstox")
SHAPE = {
    "line_number": "bigint",
    "broker_token": "text",
    "exchange_token": "integer",
    "tradingsymbol": "text",
    "name": "text",
    "exchange": "text",
    "segment": "text",
    "instrument_type": "text",
    "kind": "text",
    "underlying": "text",
    "series": "text",
    "isin": "text",
    "option_type": "text",
    "is_typed": "boolean",
    "strike": "numeric(18,6)",
    "tick_size_inr": "numeric(18,6)",
    "lot_size": "integer",
    "expiry_date": "date",
    "rejections": "jsonb",
    "exclusion": "text",
    "load_id": "bigint",
}


@pytest.fixture(scope="module")
def statuses(
    dbt_of_every_feed: Dbt, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("dumps")
    for feed in FEEDS:
        path = small_dump(feed, folder)
        rows = land_dump(database, feed, path, as_of=SMALL_AS_OF[feed], landing=folder)
        assert rows == 3
    models = [f"stg_{feed}__instruments" for feed in FEEDS]
    return dbt_of_every_feed.build("--select", "stg_warehouse__build_feeds", *models)


@pytest.fixture
def damaged(database: Database) -> Iterator[Database]:
    """The staged rows, to be damaged for one test only."""
    yield database
    database.rollback()


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize("feed", FEEDS)
def test_every_broker_has_the_one_shape(database: Database, feed: str) -> None:
    columns = rows_of(
        database,
        "select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 order by attnum",
        [f"candidate.stg_{feed}__instruments"],
    )
    assert {column["name"]: column["type"] for column in columns} == SHAPE
    assert [column["name"] for column in columns] == list(SHAPE)


@pytest.mark.parametrize("feed", FEEDS)
def test_models_and_sources_open_with_their_grain_and_describe_every_column(
    dbt_of_every_feed: Dbt, feed: str
) -> None:
    manifest = dbt_of_every_feed.manifest
    model = manifest.nodes[f"model.instrument_warehouse.stg_{feed}__instruments"]
    source = manifest.sources[f"source.instrument_warehouse.staging.{feed}_instruments"]
    assert list(model.columns) == list(SHAPE)
    for found in (model, source):
        assert found.description.startswith("One row ")
        assert all(column.description for column in found.columns.values())


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize("feed", FEEDS)
def test_sources_name_every_column_that_lands(
    dbt_of_every_feed: Dbt, database: Database, feed: str
) -> None:
    source = dbt_of_every_feed.manifest.sources[
        f"source.instrument_warehouse.staging.{feed}_instruments"
    ]
    landed = rows_of(
        database,
        "select attname as name from pg_attribute where attrelid = %s::regclass and attnum > 0",
        [f"staging.{feed}_instruments"],
    )
    assert {column["name"] for column in landed} == set(source.columns)


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize(
    ("feed", "exclusion"),
    [("angel_one", "test symbol"), ("dhan", "expired"), ("upstox", "expired")],
)
def test_landed_rows_are_all_there_excluded_or_not(
    database: Database, feed: str, exclusion: str
) -> None:
    found = rows_of(
        database,
        f"select is_typed, exclusion from candidate.stg_{feed}__instruments order by line_number",
    )
    assert [row["is_typed"] for row in found] == [True, True, True]
    assert [row["exclusion"] for row in found] == [None, None, exclusion]


@pytest.mark.usefixtures("statuses")
def test_every_unit_test_of_a_broker_passes(dbt_of_every_feed: Dbt) -> None:
    chosen = [f"stg_{feed}__instruments,test_type:unit" for feed in FEEDS]
    results = dbt_of_every_feed.run("test", "--select", *chosen).result.results
    messages = {found.node.name: found.message for found in results if str(found.status) != "pass"}
    assert messages == {}
    models = [f"stg_{feed}__instruments" for feed in FEEDS]
    expected = {
        test.name for test in dbt_of_every_feed.manifest.unit_tests.values() if test.model in models
    }
    assert {found.node.name for found in results} == expected
    assert len(expected) >= 11


DAMAGES = {
    "a row got lost on the way": "delete from candidate.stg_{feed}__instruments"
    " where line_number = (select max(line_number) from candidate.stg_{feed}__instruments)",
    "a row is neither typed nor rejected": "update candidate.stg_{feed}__instruments"
    " set is_typed = false where tradingsymbol like 'RELIANCE%'",
    "nobody knows whether a row is typed": "update candidate.stg_{feed}__instruments"
    " set is_typed = null where tradingsymbol like 'RELIANCE%'",
    "a typed row has a rejection": "update candidate.stg_{feed}__instruments"
    " set rejections = '[{{}}]' where tradingsymbol like 'RELIANCE%'",
    "a rejected row counts as excluded too": "update candidate.stg_{feed}__instruments"
    " set is_typed = false, rejections = '[{{}}]' where exclusion is not null",
    "the dump of another landing was built": "update ops.build_feeds"
    " set load_id = load_id + 1 where feed = '{feed}'",
    "a row of another landing is left": "update candidate.stg_{feed}__instruments"
    " set load_id = load_id - 1 where tradingsymbol like 'RELIANCE%'",
    "the feed is not in this build": "delete from ops.build_feeds where feed = '{feed}'",
    "nothing landed": "delete from staging.{feed}_instruments",
    "nothing landed and nothing is staged": "delete from staging.{feed}_instruments;"
    "delete from candidate.stg_{feed}__instruments",
}


@pytest.mark.parametrize("feed", FEEDS)
def test_whole_feeds_pass_their_data_test(statuses: dict[str, str], feed: str) -> None:
    assert statuses[f"{feed}_rows_are_typed_or_rejected"] == "pass"


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("feed", FEEDS)
def test_damage_to_a_feed_is_refused(
    dbt_of_every_feed: Dbt, damaged: Database, feed: str, damage: str
) -> None:
    query = dbt_of_every_feed.compiled(f"{feed}_rows_are_typed_or_rejected")
    assert damaged.execute(query).fetchall() == []
    touched = [damaged.execute(part).rowcount for part in damage.format(feed=feed).split(";")]
    assert 0 not in touched, "the damage touched nothing"
    assert damaged.execute(query).fetchall() != []


def test_rows_that_do_not_type_are_kept_and_tell_why(
    dbt_of_every_feed: Dbt, database: Database, statuses: dict[str, str], tmp_path: Path
) -> None:
    path = small_dump("dhan", tmp_path)
    path.write_text(path.read_text().replace("65.0", "65.5").replace("RELIANCE,1.0", "RELIANCE,x"))
    land_dump(database, "dhan", path, as_of="2026-02-10", landing=tmp_path)
    built = dbt_of_every_feed.build(
        "--select", "stg_warehouse__build_feeds", "stg_dhan__instruments"
    )
    assert built["dhan_rows_are_typed_or_rejected"] == "pass"
    found = rows_of(
        database,
        "select line_number, is_typed, rejections from candidate.stg_dhan__instruments"
        " order by line_number",
    )
    reason = "is not a whole number of zero or more"
    assert [tuple(row.values()) for row in found] == [
        (2, False, [{"column": "sem_lot_units", "value": "x", "reason": reason}]),
        (3, False, [{"column": "sem_lot_units", "value": "65.5", "reason": reason}]),
        (4, True, []),
    ]
