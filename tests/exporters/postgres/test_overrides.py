"""Hand changes of `is_active` survive, in every order of capture, build and publication."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest

from exporters.postgres import (
    SubscriptionsChangedMeanwhile,
    capture_overrides,
    hides_hand_changes,
    publish,
    repair_instruments,
    unpublished_overrides,
    verify_published,
)
from exporters.postgres.publish import Publication
from tests.exporters.postgres.candidate_builder import (
    BANKNIFTY_CE,
    DAY_1,
    GAIL_CE,
    NIFTY_CE,
    ROWS,
    Row,
    build,
    everything,
    request,
)

ON = "UPDATE instruments SET is_active = TRUE WHERE name = %s AND segment IN ('NFO-OPT')"
OFF = "UPDATE instruments SET is_active = FALSE WHERE name = %s AND segment IN ('NFO-OPT')"
FILTERS = {"nifty": ("NIFTY",), "banknifty": ("BANKNIFTY",), "gail": ("GAIL",), "all": ()}


def sync(
    connection: psycopg.Connection,
    filter_name: str = "nifty",
    rows: tuple[Row, ...] = ROWS,
    **changes: object,
) -> Publication:
    """What a sync does: capture, build, publish; once more if that is asked for."""
    capture_overrides(connection, recorded_at=DAY_1)
    build(connection, rows, filters=FILTERS[filter_name])
    try:
        return publish(connection, request(connection, filter=filter_name, **changes))
    except SubscriptionsChangedMeanwhile:
        build(connection, rows, filters=FILTERS[filter_name])
        return publish(connection, request(connection, filter=filter_name, **changes))


def active(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute("select name from instruments where is_active").fetchall()
    return {name for (name,) in rows}


def overrides(connection: psycopg.Connection) -> dict[str, bool]:
    return dict(
        connection.execute(
            "select canonical_id, is_active from ops.subscription_overrides"
        ).fetchall()
    )


def test_switching_on_survives_the_next_syncs(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["BANKNIFTY"])
    assert capture_overrides(warehouse, recorded_at=DAY_1) == 1
    assert warehouse.execute("select * from ops.subscription_overrides").fetchall() == [
        (BANKNIFTY_CE.canonical_id, 768, True, "hand", DAY_1, "nifty", False)
    ]
    for _ in range(2):
        sync(warehouse)
        assert active(warehouse) == {"NIFTY", "BANKNIFTY"}
        assert overrides(warehouse) == {BANKNIFTY_CE.canonical_id: True}


def test_switching_off_survives_the_next_syncs(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    warehouse.execute(OFF, ["NIFTY"])
    for _ in range(2):
        sync(warehouse)
        assert active(warehouse) == set()
    assert set(overrides(warehouse).values()) == {False}


def test_null_counts_as_switched_off(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    warehouse.execute("update instruments set is_active = null where instrument_token = 512")
    sync(warehouse)
    assert overrides(warehouse) == {NIFTY_CE.canonical_id: False}


@pytest.mark.parametrize("later", ["nifty", "banknifty", "all"])
def test_switch_survives_another_filter(warehouse: psycopg.Connection, later: str) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    sync(warehouse, later)
    sync(warehouse, later)
    assert "GAIL" in active(warehouse)


@pytest.mark.parametrize(("first", "back", "name"), [(ON, OFF, "GAIL"), (OFF, ON, "NIFTY")])
def test_change_back_before_the_next_sync_leaves_no_override(
    warehouse: psycopg.Connection, first: str, back: str, name: str
) -> None:
    sync(warehouse)
    before = active(warehouse)
    warehouse.execute(first, [name])
    assert capture_overrides(warehouse) > 0
    warehouse.execute(back, [name])
    assert capture_overrides(warehouse) > 0
    assert overrides(warehouse) == {}
    assert unpublished_overrides(warehouse) == 0
    sync(warehouse)
    assert active(warehouse) == before


@pytest.mark.parametrize(("first", "back", "name"), [(ON, OFF, "GAIL"), (OFF, ON, "NIFTY")])
def test_change_back_after_a_sync_removes_the_override(
    warehouse: psycopg.Connection, first: str, back: str, name: str
) -> None:
    sync(warehouse)
    before = active(warehouse)
    warehouse.execute(first, [name])
    sync(warehouse)
    warehouse.execute(back, [name])
    sync(warehouse)
    assert active(warehouse) == before
    assert overrides(warehouse) == {}


@pytest.mark.parametrize("later", ["nifty", "banknifty", "all"])
@pytest.mark.parametrize(("first", "back", "name"), [(ON, OFF, "GAIL"), (OFF, ON, "NIFTY")])
def test_change_back_is_heeded_whatever_filter_comes_next(
    warehouse: psycopg.Connection, first: str, back: str, name: str, later: str
) -> None:
    sync(warehouse)
    warehouse.execute(first, [name])
    sync(warehouse)
    warehouse.execute(back, [name])
    for _ in range(2):
        sync(warehouse, later)
        assert (name in active(warehouse)) is (back == ON)


@pytest.mark.parametrize("is_captured", [True, False])
def test_taking_a_switch_back_leaves_another_filter_its_say(
    warehouse: psycopg.Connection, *, is_captured: bool
) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    sync(warehouse)
    warehouse.execute(OFF, ["GAIL"])
    if is_captured:
        capture_overrides(warehouse)
        assert overrides(warehouse) == {}
        assert unpublished_overrides(warehouse) == 1
    for _ in range(2):
        sync(warehouse, "gail")
        assert active(warehouse) == {"GAIL"}
        assert overrides(warehouse) == {}


def test_taking_a_switch_back_is_told_to_the_filter_that_keeps_what_was_active(
    warehouse: psycopg.Connection,
) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    sync(warehouse)
    warehouse.execute(OFF, ["GAIL"])
    assert capture_overrides(warehouse, recorded_at=DAY_1, next_filter="all") == 1
    build(warehouse, filters=FILTERS["all"])
    publish(warehouse, request(warehouse, filter="all"))
    assert active(warehouse) == {"NIFTY"}
    assert overrides(warehouse) == {}
    sync(warehouse, "gail")
    assert active(warehouse) == {"GAIL"}


@pytest.mark.parametrize(("first", "back", "name"), [(ON, OFF, "GAIL"), (OFF, ON, "NIFTY")])
def test_change_back_that_is_itself_taken_back_before_a_sync_keeps_the_override(
    warehouse: psycopg.Connection, first: str, back: str, name: str
) -> None:
    sync(warehouse)
    warehouse.execute(first, [name])
    sync(warehouse)
    kept = overrides(warehouse)
    warehouse.execute(back, [name])
    capture_overrides(warehouse)
    warehouse.execute(first, [name])
    capture_overrides(warehouse)
    assert overrides(warehouse) == kept
    sync(warehouse)
    assert (name in active(warehouse)) is (first == ON)


def test_change_under_the_keeping_filter_is_kept_both_ways(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    sync(warehouse, "all")
    assert active(warehouse) == {"NIFTY"}
    for switch, expected in ((OFF, set()), (ON, {"NIFTY"}), (OFF, set())):
        warehouse.execute(switch, ["NIFTY"])
        sync(warehouse, "all")
        sync(warehouse, "all")
        assert active(warehouse) == expected


def test_captured_twice_is_captured_once(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    assert capture_overrides(warehouse, recorded_at=DAY_1) == 1
    assert capture_overrides(warehouse, recorded_at=DAY_1 + timedelta(days=1)) == 0
    assert unpublished_overrides(warehouse) == 1


def test_overrides_that_another_program_wrote_are_left_alone(
    warehouse: psycopg.Connection,
) -> None:
    sync(warehouse)
    warehouse.execute(
        "insert into ops.subscription_overrides (canonical_id, instrument_token, is_active, origin,"
        " recorded_at) values (%s, 768, true, 'hand', now())",
        [BANKNIFTY_CE.canonical_id],
    )
    sync(warehouse)
    assert active(warehouse) == {"NIFTY", "BANKNIFTY"}


def test_change_between_build_and_publication_asks_for_another_build(
    warehouse: psycopg.Connection,
) -> None:
    sync(warehouse)
    build(warehouse)
    warehouse.execute(ON, ["GAIL"])
    before = everything(warehouse)
    with pytest.raises(SubscriptionsChangedMeanwhile, match="1 subscriptions") as caught:
        publish(warehouse, request(warehouse))
    assert caught.value.count == 1
    after = everything(warehouse)
    assert len(after.pop("ops.subscription_overrides")) == 1
    before.pop("ops.subscription_overrides")
    assert after == before
    build(warehouse)
    publish(warehouse, request(warehouse))
    assert active(warehouse) == {"NIFTY", "GAIL"}


def test_change_between_build_and_plan_is_not_recorded(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    build(warehouse)
    warehouse.execute(ON, ["GAIL"])
    before = everything(warehouse)
    publish(warehouse, request(warehouse), plan_only=True)
    assert everything(warehouse) == before


@pytest.mark.parametrize(("switch", "row"), [(ON, BANKNIFTY_CE), (OFF, NIFTY_CE)])
def test_override_of_a_contract_that_is_absent_for_a_day_is_kept(
    warehouse: psycopg.Connection, switch: str, row: Row
) -> None:
    sync(warehouse)
    warehouse.execute(switch, [row.name])
    sync(warehouse)
    kept = overrides(warehouse)
    publication = sync(warehouse, rows=tuple(one for one in ROWS if one is not row))
    assert publication.overrides_dropped == ()
    assert overrides(warehouse) == kept
    assert unpublished_overrides(warehouse) == 0
    sync(warehouse)
    assert (row.name in active(warehouse)) is (switch == ON)
    assert overrides(warehouse) == kept


def test_override_lives_to_the_day_of_expiry(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["BANKNIFTY"])
    sync(warehouse, as_of_date=date(2026, 11, 24))
    assert overrides(warehouse) == {BANKNIFTY_CE.canonical_id: True}


def test_override_of_an_expired_contract_is_dropped_and_told(
    warehouse: psycopg.Connection,
) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["BANKNIFTY"])
    sync(warehouse)
    left = tuple(row for row in ROWS if row is not BANKNIFTY_CE)
    publication = sync(warehouse, rows=left, as_of_date=date(2026, 11, 25))
    assert publication.overrides_dropped == (BANKNIFTY_CE.canonical_id,)
    assert overrides(warehouse) == {}
    told = warehouse.execute(
        "select summary -> 'overrides_dropped' from ops.publications order by 1 desc"
    ).fetchall()
    assert [(one["canonical_id"], one["is_active"]) for (some,) in told for one in some] == [
        (BANKNIFTY_CE.canonical_id, True)
    ]


OLD_ROWS = """
create table public.instruments (
    instrument_token integer primary key, trading_symbol text not null, exchange text not null,
    name text, segment text, instrument_type text, expiry date, strike numeric(12,2),
    is_active boolean, source text
);
insert into instruments values
(768, 'BANKNIFTY26NOV55000CE', 'NFO', 'BANKNIFTY', 'NFO-OPT', 'CE', '2026-11-24', 55000, true),
(1026, 'GAIL26NOV390.75CE', 'NFO', 'GAIL', 'NFO-OPT', 'CE', '2026-11-24', 390.75, true),
(512, 'NIFTY26NOV26450CE', 'NFO', 'NIFTY', 'NFO-OPT', 'CE', '2026-11-24', 26450, true),
(738561, 'RELIANCE', 'NSE', 'RELIANCE INDUSTRIES', 'NSE', 'EQ', null, null, true),
(256265, 'NIFTY 50', 'NSE', 'NIFTY 50', 'INDICES', 'EQ', null, null, true),
(4, 'GONE', 'NSE', 'GONE', 'NSE', 'EQ', null, null, true),
(5, 'THEIRS', 'NSE', 'THEIRS', 'NSE', 'EQ', null, null, true);
update instruments set source = 'dhan' where instrument_token = 5;
"""


def test_active_rows_are_adopted_before_the_first_publication(
    warehouse: psycopg.Connection,
) -> None:
    warehouse.execute(OLD_ROWS)
    assert capture_overrides(warehouse, recorded_at=DAY_1) == 6
    adopted = warehouse.execute(
        "select canonical_id, instrument_token, origin from ops.subscription_overrides order by 2"
    ).fetchall()
    assert adopted == [
        ("NSE:GONE", 4, "adopted"),
        ("NFO:NIFTY:2026-11-24:26450:CE", 512, "adopted"),
        ("NFO:BANKNIFTY:2026-11-24:55000:CE", 768, "adopted"),
        ("NFO:GAIL:2026-11-24:390.75:CE", 1026, "adopted"),
        ("INDEX:NIFTY 50", 256265, "adopted"),
        ("NSE:RELIANCE", 738561, "adopted"),
    ]
    assert capture_overrides(warehouse, recorded_at=DAY_1) == 0
    sync(warehouse)
    assert active(warehouse) == {
        "NIFTY", "BANKNIFTY", "GAIL", "RELIANCE INDUSTRIES", "NIFTY 50", "THEIRS",
    }  # fmt: skip
    # What the filter covers needs no override; what is not in the dump may be back tomorrow.
    assert sorted(overrides(warehouse)) == [
        "INDEX:NIFTY 50", "NFO:BANKNIFTY:2026-11-24:55000:CE", "NFO:GAIL:2026-11-24:390.75:CE",
        "NSE:GONE", "NSE:RELIANCE",
    ]  # fmt: skip


def test_adopted_row_that_is_switched_off_before_the_first_publication_is_not_adopted(
    warehouse: psycopg.Connection,
) -> None:
    warehouse.execute(OLD_ROWS)
    capture_overrides(warehouse)
    build(warehouse)
    warehouse.execute(OFF, ["GAIL"])
    with pytest.raises(SubscriptionsChangedMeanwhile):
        publish(warehouse, request(warehouse))
    sync(warehouse)
    assert "GAIL" not in active(warehouse)


def test_adopted_row_that_the_model_spells_otherwise_is_adopted_by_its_token(
    warehouse: psycopg.Connection,
) -> None:
    warehouse.execute(OLD_ROWS)
    warehouse.execute("update instruments set name = 'Gail' where instrument_token = 1026")
    capture_overrides(warehouse, recorded_at=DAY_1)
    build(warehouse)
    with pytest.raises(SubscriptionsChangedMeanwhile):
        publish(warehouse, request(warehouse))
    sync(warehouse)
    assert "GAIL" in active(warehouse)


@pytest.mark.parametrize(
    "other",
    ["exchange = 'BFO'", "instrument_type = 'PE'", "expiry = '2026-10-27'", "strike = 400"],
)
def test_token_that_stands_for_another_contract_now_is_not_followed_to_it(
    warehouse: psycopg.Connection, other: str
) -> None:
    warehouse.execute(OLD_ROWS)
    warehouse.execute(f"update instruments set {other} where instrument_token = 1026".encode())
    sync(warehouse)
    assert "GAIL" not in active(warehouse)
    assert GAIL_CE.canonical_id not in overrides(warehouse)


def test_expired_contract_is_not_adopted(warehouse: psycopg.Connection) -> None:
    warehouse.execute(OLD_ROWS)
    warehouse.execute("update instruments set expiry = '2026-08-14' where instrument_token = 1026")
    warehouse.execute("update instruments set expiry = '2026-08-17' where instrument_token = 768")
    capture_overrides(warehouse, as_of=date(2026, 8, 17))
    adopted = overrides(warehouse)
    assert "NFO:BANKNIFTY:2026-08-17:55000:CE" in adopted
    assert not any(canonical_id.startswith("NFO:GAIL") for canonical_id in adopted)


def test_table_without_the_switch_has_nothing_to_capture(warehouse: psycopg.Connection) -> None:
    assert capture_overrides(warehouse) == 0
    warehouse.execute("create table instruments (instrument_token int, trading_symbol text)")
    assert capture_overrides(warehouse) == 0


def test_repair_does_not_undo_a_hand_change(warehouse: psycopg.Connection) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    capture_overrides(warehouse)
    with pytest.raises(SubscriptionsChangedMeanwhile):
        repair_instruments(warehouse)
    assert active(warehouse) == {"NIFTY", "GAIL"}


@pytest.mark.parametrize(
    "damage",
    [
        "delete from marts.active_subscriptions",
        "update marts.active_subscriptions set instrument_token = 768 where instrument_token = 512",
        "delete from marts.broker_instruments where instrument_token = 1026",
    ],
)
def test_damage_to_the_published_tables_is_no_hand_change(
    warehouse: psycopg.Connection, damage: str
) -> None:
    sync(warehouse)
    warehouse.execute(ON, ["GAIL"])
    sync(warehouse)
    kept = overrides(warehouse)
    assert not hides_hand_changes(warehouse)
    warehouse.execute(damage.encode())
    assert capture_overrides(warehouse) == 0
    assert overrides(warehouse) == kept
    assert hides_hand_changes(warehouse)
    sync(warehouse)
    assert not hides_hand_changes(warehouse)
    assert active(warehouse) == {"NIFTY", "GAIL"}
    assert overrides(warehouse) == kept


def test_damage_to_the_published_tables_is_not_passed_on_by_a_repair(
    warehouse: psycopg.Connection,
) -> None:
    sync(warehouse)
    warehouse.execute("delete from marts.active_subscriptions")
    damaged = verify_published(warehouse, repair_legacy=True)
    assert any(line.startswith("marts.active_subscriptions holds 0 rows") for line in damaged)
    assert active(warehouse) == {"NIFTY"}
