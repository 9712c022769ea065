from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import psycopg
import pytest

from exporters.postgres import (
    PublicationOutOfReach,
    PublicationUnknown,
    capture_overrides,
    prune_undo,
    publish,
    rollback_to,
    verify_published,
)
from tests.exporters.postgres.candidate_builder import (
    BANKNIFTY_CE,
    DAY_1,
    GAIL_CE,
    NIFTY_50,
    NIFTY_CE,
    NIFTY_PE,
    RELIANCE,
    ROWS,
    TABLES,
    build,
    content,
    everything,
    request,
)

NOW = DAY_1 + timedelta(days=9)
DAYS = (
    ROWS,
    (NIFTY_CE, NIFTY_PE, replace(GAIL_CE, lot_size=1), RELIANCE),
    (NIFTY_PE, replace(GAIL_CE, lot_size=2), RELIANCE, NIFTY_50, BANKNIFTY_CE),
    ROWS[2:],
)
REJECTED = ((), (("kite", 7, "expiry", "x"),), (), (("kite", 9, "strike", "y"),))


def marts(connection: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """What is published, but for `last_updated`."""
    shown = {name: content(connection, f"marts.{name}") for name in TABLES}
    shown["public"] = content(
        connection, "(select to_jsonb(i) - 'last_updated' from public.instruments as i) as shown"
    )
    return shown


def publish_days(connection: psycopg.Connection) -> list[dict[str, list[tuple[object, ...]]]]:
    shown = []
    for number, (rows, rejected) in enumerate(zip(DAYS, REJECTED, strict=True), 1):
        build(connection, rows, rejected=rejected)
        publish(connection, request(connection, fingerprint=f"f{number}", filter=f"filter{number}"))
        shown.append(marts(connection))
    return shown


@pytest.mark.parametrize("target", [1, 2, 3, 4])
def test_rollback_shows_the_publication_whole(warehouse: psycopg.Connection, target: int) -> None:
    shown = publish_days(warehouse)
    publication = rollback_to(
        warehouse, target, published_at=NOW, run_id="r", destinations=("redis",)
    )
    assert marts(warehouse) == shown[target - 1]
    assert (publication.publication_id, publication.rollback_of) == (5, target)
    ledger = warehouse.execute(
        "select published_at, filter, fingerprint, rollback_of, run_id, load_id"
        " from ops.publications where publication_id = 5"
    ).fetchone()
    assert ledger == (NOW, f"filter{target}", f"f{target}", target, "r", 7)
    assert warehouse.execute(
        "select destination, status from ops.exports where publication_id = 5"
    ).fetchall() == [("redis", "pending")]
    assert verify_published(warehouse) == []


def test_rollback_of_a_rollback_and_on_from_there(warehouse: psycopg.Connection) -> None:
    shown = publish_days(warehouse)
    for target, expected in ((1, 0), (4, 3), (5, 0), (2, 1), (6, 3), (3, 2)):
        rollback_to(warehouse, target, published_at=NOW)
        assert marts(warehouse) == shown[expected]
    build(warehouse, DAYS[3], rejected=REJECTED[3])
    publish(warehouse, request(warehouse))
    assert marts(warehouse) == shown[3]


def test_planned_rollback_changes_nothing(warehouse: psycopg.Connection) -> None:
    publish_days(warehouse)
    before = everything(warehouse)
    plan = rollback_to(warehouse, 1, published_at=NOW, plan_only=True)
    assert everything(warehouse) == before
    assert plan.tables == rollback_to(warehouse, 1, published_at=NOW).tables


def test_rollback_over_an_added_column(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    wider = "alter table candidate.instruments add column kind text not null default 'option';"
    build(warehouse, DAYS[1], alter=wider)
    publish(warehouse, request(warehouse))
    newer = marts(warehouse)
    publication = rollback_to(warehouse, 1, published_at=NOW)
    assert publication.migrations == ("marts.instruments: drop not null on kind",)
    assert content(warehouse, "marts.instruments") == sorted(
        ((row.canonical_id, row.tradingsymbol, row.lot_size, None) for row in ROWS), key=repr
    )
    build(warehouse, DAYS[1], alter=wider)
    publication = publish(warehouse, request(warehouse))
    assert publication.migrations == ("marts.instruments: set not null on kind",)
    assert marts(warehouse) == newer


def test_rollback_keeps_a_foreign_key_and_a_kept_row(warehouse: psycopg.Connection) -> None:
    shown = publish_days(warehouse)
    warehouse.execute(
        "create table orders (token integer references instruments on delete cascade)"
    )
    warehouse.execute("insert into orders values (738561)")
    rollback_to(warehouse, 2, published_at=NOW)
    assert content(warehouse, "orders") == [(738561,)]
    assert marts(warehouse) == shown[1]


def test_rollback_to_an_unknown_number_is_refused(warehouse: psycopg.Connection) -> None:
    publish_days(warehouse)
    before = everything(warehouse)
    with pytest.raises(PublicationUnknown, match="no publication 17"):
        rollback_to(warehouse, 17, published_at=NOW)
    assert everything(warehouse) == before


def test_rollback_beyond_the_pruned_undo_log_is_refused(warehouse: psycopg.Connection) -> None:
    shown = publish_days(warehouse)
    assert prune_undo(warehouse, 2) > 0
    assert prune_undo(warehouse, 2) == 0
    with pytest.raises(PublicationOutOfReach, match="publication 2 was forgotten"):
        rollback_to(warehouse, 1, published_at=NOW)
    rollback_to(warehouse, 2, published_at=NOW)
    assert marts(warehouse) == shown[1]
    with pytest.raises(ValueError, match="at least 1"):
        prune_undo(warehouse, 0)


def test_hand_change_before_a_rollback_takes_effect_with_the_next_build(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, DAYS[2])
    publish(warehouse, request(warehouse))
    warehouse.execute("update instruments set is_active = true where name = 'BANKNIFTY'")
    rollback_to(warehouse, 1, published_at=NOW)
    streamed = "select name from instruments where is_active group by name order by name"
    assert warehouse.execute(streamed).fetchall() == [("NIFTY",)]
    capture_overrides(warehouse)
    build(warehouse)
    publish(warehouse, request(warehouse))
    assert warehouse.execute(streamed).fetchall() == [("BANKNIFTY",), ("NIFTY",)]


def test_rollback_brings_back_the_override_of_a_contract_that_had_expired(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("update instruments set is_active = true where name = 'BANKNIFTY'")
    capture_overrides(warehouse)
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, DAYS[1])
    publish(warehouse, request(warehouse, as_of_date=date(2026, 11, 25)))
    assert content(warehouse, "ops.subscription_overrides") == []
    rollback_to(warehouse, 2, published_at=NOW)
    overrides = warehouse.execute(
        "select canonical_id, is_active from ops.subscription_overrides"
    ).fetchall()
    assert overrides == [(BANKNIFTY_CE.canonical_id, True)]
    build(warehouse)
    publish(warehouse, request(warehouse))
    assert (768, True) in warehouse.execute(
        "select instrument_token, is_active from instruments"
    ).fetchall()


def test_columns_may_be_named_as_the_undo_log_names_its_own(
    warehouse: psycopg.Connection,
) -> None:
    """As `instrument_changes` has `change` in its key; its third publication first deletes rows."""
    renamed = (
        "alter table candidate.rejected_rows rename column column_name to change;"
        "alter table candidate.rejected_rows rename column value to before;"
    )
    days = [(), [("kite", 2, "listed", "a")], [("kite", 2, "expired", "b")], []]
    for day, rejected in enumerate(days):
        build(warehouse, rejected=rejected, alter=renamed)
        asked = request(warehouse, published_at=DAY_1 + timedelta(days=day))
        publish(warehouse, asked)
        assert content(warehouse, "marts.rejected_rows") == list(rejected)
    for target in (3, 2, 1):
        rollback_to(warehouse, target, published_at=NOW)
        assert content(warehouse, "marts.rejected_rows") == list(days[target - 1])
