"""The dbt unit tests pass, and every model that decides something has one."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.dbt.conftest import Dbt
from tests.dbt.kite_rows import land, small_dump

# They pass columns on as they are, with nothing to decide.
PLAIN = {
    "stg_warehouse__build_feeds",
    "stg_warehouse__subscription_overrides",
    "stg_published__broker_instruments",
    "stg_published__active_subscriptions",
    # It reads schema history, which a unit test cannot give it: see test_history.py.
    "stg_published__departed_instruments",
}


@pytest.fixture(scope="module")
def outcomes(dbt: Dbt, database: psycopg.Connection[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    land(database, small_dump(), as_of="2026-08-17")
    dbt.build()
    results = dbt.run("test", "--select", "test_type:unit").result.results
    return {result.node.name: (str(result.status), result.message or "") for result in results}


def test_every_unit_test_passes(dbt: Dbt, outcomes: dict[str, tuple[str, str]]) -> None:
    assert {name: message for name, (status, message) in outcomes.items() if status != "pass"} == {}
    assert set(outcomes) == {test.name for test in dbt.manifest.unit_tests.values()}
    assert len(outcomes) >= 30


def test_every_model_that_decides_something_has_a_unit_test(dbt: Dbt) -> None:
    models = {
        node.name for node in dbt.manifest.nodes.values() if str(node.resource_type) == "model"
    }
    tested = {test.model for test in dbt.manifest.unit_tests.values()}
    assert models - tested == PLAIN
