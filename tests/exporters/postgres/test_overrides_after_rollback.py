"""What people asked for by hand outlives a rollback: it waits for the next build."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from exporters.postgres import capture_overrides, publish, rollback_to, unpublished_overrides
from tests.exporters.postgres.candidate_builder import (
    BANKNIFTY_CE,
    DAY_1,
    GAIL_CE,
    build,
    content,
    request,
)
from tests.exporters.postgres.test_overrides import OFF, ON, active, overrides, sync

NOW = DAY_1 + timedelta(days=9)
SWITCHES = pytest.mark.parametrize(
    ("switch", "name", "then", "now"),
    [(ON, "GAIL", {"NIFTY"}, {"NIFTY", "GAIL"}), (OFF, "NIFTY", {"NIFTY"}, set())],
)


@SWITCHES
def test_published_hand_change_waits_for_the_build_after_a_rollback(
    warehouse: psycopg.Connection, switch: str, name: str, then: set[str], now: set[str]
) -> None:
    sync(warehouse)
    warehouse.execute(switch, [name])
    sync(warehouse)
    kept = overrides(warehouse)
    sync(warehouse, "banknifty")
    rollback_to(warehouse, 1, published_at=NOW)
    assert active(warehouse) == then
    for _ in range(2):
        capture_overrides(warehouse)
        assert unpublished_overrides(warehouse) == len(kept)
        assert overrides(warehouse) == kept
    for _ in range(2):
        sync(warehouse)
        assert active(warehouse) == now
        assert unpublished_overrides(warehouse) == 0


@SWITCHES
def test_hand_change_repeated_after_a_rollback_sticks(
    warehouse: psycopg.Connection, switch: str, name: str, then: set[str], now: set[str]
) -> None:
    sync(warehouse)
    warehouse.execute(switch, [name])
    sync(warehouse)
    kept = overrides(warehouse)
    rollback_to(warehouse, 1, published_at=NOW)
    assert active(warehouse) == then
    warehouse.execute(switch, [name])
    capture_overrides(warehouse)
    assert unpublished_overrides(warehouse) == len(kept)
    sync(warehouse)
    assert active(warehouse) == now
    assert overrides(warehouse) == kept


def test_hand_change_outlives_a_rollback_of_a_rollback(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    sync(warehouse)
    rollback_to(warehouse, 1, published_at=NOW)
    rollback_to(warehouse, 2, published_at=NOW)
    assert active(warehouse) == {"NIFTY", "GAIL"}
    assert unpublished_overrides(warehouse) == 0
    rollback_to(warehouse, 1, published_at=NOW)
    sync(warehouse)
    assert active(warehouse) == {"NIFTY", "GAIL"}


def test_switch_taken_back_before_a_rollback_is_taken_back_by_the_next_build(
    warehouse: psycopg.Connection,
) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    sync(warehouse)
    sync(warehouse)
    warehouse.execute(OFF, ["GAIL"])
    rollback_to(warehouse, 2, published_at=NOW)
    assert active(warehouse) == {"NIFTY", "GAIL"}
    for _ in range(2):
        capture_overrides(warehouse)
        assert overrides(warehouse) == {}
        assert unpublished_overrides(warehouse) == 1
    sync(warehouse)
    assert active(warehouse) == {"NIFTY"}
    assert unpublished_overrides(warehouse) == 0


def test_override_that_another_program_wrote_after_the_build_waits_for_the_next(
    warehouse: psycopg.Connection,
) -> None:
    sync(warehouse)
    build(warehouse)
    warehouse.execute(
        "insert into ops.subscription_overrides (canonical_id, instrument_token, is_active, origin,"
        " recorded_at) values (%s, 768, true, 'hand', now())",
        [BANKNIFTY_CE.canonical_id],
    )
    publish(warehouse, request(warehouse))
    assert active(warehouse) == {"NIFTY"}
    assert unpublished_overrides(warehouse) == 1
    sync(warehouse)
    assert active(warehouse) == {"NIFTY", "BANKNIFTY"}
    assert unpublished_overrides(warehouse) == 0


def test_only_what_the_content_heeds_is_noted_as_published(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    warehouse.execute(ON, ["BANKNIFTY"])
    sync(warehouse, "banknifty")
    noted = {row[0] for row in content(warehouse, "ops.published_overrides")}
    assert noted == {GAIL_CE.canonical_id, BANKNIFTY_CE.canonical_id}
    rollback_to(warehouse, 1, published_at=NOW)
    assert content(warehouse, "ops.published_overrides") == []
