"""Whole days through dbt and the publisher: what history says that happened, and to what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from exporters.postgres import capture_overrides, rollback_to
from tests.dbt.conftest import Dbt
from tests.dbt.kite_rows import Row, contract, row
from tests.dbt.published_days import Connection, asked, empty_warehouse, events, ids, publish_day
from tests.history_invariants import violations

OPTION = {"instrument_type": "CE", "lot_size": "250"}


def share(symbol: str, number: int, name: str, **values: str) -> Row:
    token = {"instrument_token": str(number * 256 + 1), "exchange_token": str(number)}
    return row(**token, tradingsymbol=symbol, name=name, **values)


STAYS = [
    share("STAYS", 1, "STAYS LTD"),
    contract("NIFTY", "NFO", "2026-12-29", 900),
    contract("NIFTY", "NFO", "2026-10-27", 901, strike="24000", **OPTION),
    contract("NIFTY", "NFO", "2026-10-27", 902, strike="24100", **OPTION),
]
DAY_1 = [
    *STAYS,
    contract("NIFTY", "NFO", "2026-08-17", 1),
    contract("HINDPETRO", "NFO", "2026-08-25", 2, strike="410", **OPTION),
    contract("HINDPETRO", "NFO", "2026-08-25", 20, strike="429.25", **OPTION),
    contract("NIFTY", "NFO", "2026-10-27", 3, lot_size="75"),
    contract("NIFTY", "NFO", "2026-10-27", 30, strike="24200", **OPTION),
    contract("GAIL", "NFO", "2026-08-25", 4),
    share("ITDCEM", 10, "ITD CEMENTATION"),
    share("MOVES", 11, "MOVES LTD"),
    share("TAKEN", 12, "FIRST LTD"),
    share("SERIES", 14, "SERIES LTD"),
    share("BACK", 16, "BACK LTD"),
    share("OTHER", 17, "OTHER LTD"),
    share("TICKS", 19, "TICKS LTD"),
]
DAY_2 = [
    *STAYS,
    contract("NIFTY", "NFO", "2027-03-30", 1),
    contract("HINDPETRO", "NFO", "2026-08-25", 2, strike="390.75", **OPTION),
    contract("HINDPETRO", "NFO", "2026-08-25", 20, strike="410", **OPTION),
    contract("NIFTY", "NFO", "2026-10-27", 3, lot_size="65"),
    contract("NIFTY", "NFO", "2026-10-27", 30, strike="242000", **OPTION),
    contract("GAIL", "NFO", "2026-08-26", 4),
    share("CEMPRO", 10, "CEMINDIA PROJECTS"),
    share("MOVES", 21, "MOVES LTD"),
    share("TAKEN", 13, "SECOND LTD"),
    share("SERIES-BE", 15, "SERIES LTD"),
    share("TICKS", 19, "TICKS LTD", tick_size="0.25"),
]
DAY_3 = [*DAY_2, share("BACK", 16, "BACK LTD"), share("OTHER", 18, "OTHER LTD")]
DAYS = {date(2026, 8, 17): DAY_1, date(2026, 8, 18): DAY_2, date(2026, 8, 19): DAY_3}


@pytest.fixture
def warehouse(dbt: Dbt) -> Iterator[Connection]:
    with empty_warehouse(dbt) as connection:
        yield connection


EVENTS_2 = [
    ("delisted", None, "NFO:NIFTY:2026-10-27:24200:CE", "NIFTY26OCT24200CE", None),
    ("delisted", None, "NSE:BACK", "BACK", None),
    ("delisted", None, "NSE:OTHER", "OTHER", None),
    ("delisted", None, "NSE:TAKEN", "TAKEN", None),
    ("expired", None, "NFO:NIFTY:2026-08-17:FUT", "NIFTY26AUGFUT", None),
    ("expiry_revised", None, "NFO:GAIL:2026-08-26:FUT", "2026-08-25", "2026-08-26"),
    ("listed", None, "NFO:NIFTY:2026-10-27:242000:CE", None, "NIFTY26OCT242000CE"),
    ("listed", None, "NFO:NIFTY:2027-03-30:FUT", None, "NIFTY27MARFUT"),
    ("listed", None, "NSE:TAKEN", None, "TAKEN"),
    ("lot_changed", None, "NFO:NIFTY:2026-10-27:FUT", "75", "65"),
    ("renamed", None, "NFO:HINDPETRO:2026-08-25:390.75:CE", "HINDPETRO26AUG410CE",
     "HINDPETRO26AUG390.75CE"),
    ("renamed", None, "NFO:HINDPETRO:2026-08-25:410:CE", "HINDPETRO26AUG429.25CE",
     "HINDPETRO26AUG410CE"),
    ("renamed", None, "NSE:CEMPRO", "ITDCEM", "CEMPRO"),
    ("series_changed", None, "NSE:SERIES-BE", "EQ", "BE"),
    ("strike_adjusted", None, "NFO:HINDPETRO:2026-08-25:390.75:CE", "410", "390.75"),
    ("strike_adjusted", None, "NFO:HINDPETRO:2026-08-25:410:CE", "429.25", "410"),
    ("tick_changed", None, "NSE:TICKS", "0.1", "0.25"),
    ("token_moved", "kite", "NSE:MOVES", "2817", "5377"),
    ("token_moved", "kite", "NSE:SERIES-BE", "3585", "3841"),
    ("token_reused", "kite", "NFO:NIFTY:2026-10-27:242000:CE", "NFO:NIFTY:2026-10-27:24200:CE",
     "NFO:NIFTY:2026-10-27:242000:CE"),
    ("token_reused", "kite", "NFO:NIFTY:2027-03-30:FUT", "NFO:NIFTY:2026-08-17:FUT",
     "NFO:NIFTY:2027-03-30:FUT"),
]  # fmt: skip
EVENTS_3 = [
    ("listed", None, "NSE:OTHER", None, "OTHER"),
    ("relisted", None, "NSE:BACK", None, "BACK"),
]


def test_an_instrument_is_followed_where_it_goes_on_and_nowhere_else(
    dbt: Dbt, warehouse: Connection
) -> None:
    for as_of, rows in DAYS.items():
        publish_day(dbt, warehouse, rows, as_of)
    one, two, three = (ids(warehouse, day.isoformat()) for day in DAYS)
    assert events(warehouse, "2026-08-17") == []
    assert events(warehouse, "2026-08-18") == EVENTS_2
    assert events(warehouse, "2026-08-19") == EVENTS_3
    assert len(one) == len(DAY_1)
    for before, after in {
        "HINDPETRO26AUG410CE": "HINDPETRO26AUG390.75CE",
        "HINDPETRO26AUG429.25CE": "HINDPETRO26AUG410CE",
        "GAIL26AUGFUT": "GAIL26AUGFUT", "NIFTY26OCTFUT": "NIFTY26OCTFUT", "ITDCEM": "CEMPRO",
        "MOVES": "MOVES", "SERIES": "SERIES-BE", "TICKS": "TICKS", "STAYS": "STAYS",
    }.items():  # fmt: skip
        assert one[before] == two[after] == three[after], after
    assert one["TAKEN"] != two["TAKEN"] == three["TAKEN"]
    assert two["NIFTY27MARFUT"] not in one.values()
    # One strike alone is not adjusted, whatever its token says.
    assert two["NIFTY26OCT242000CE"] not in one.values()
    assert three["BACK"] == one["BACK"] not in two.values()
    assert three["OTHER"] not in {*one.values(), *two.values()}
    assert asked(
        warehouse,
        "select lot_size, valid_from, valid_to, publication_id, closed_by"
        " from history.instrument_versions where tradingsymbol = 'NIFTY26OCTFUT' order by 2",
    ) == [
        (75, date(2026, 8, 17), date(2026, 8, 18), 1, 2),
        (65, date(2026, 8, 18), None, 2, None),
    ]
    assert asked(
        warehouse,
        "select instrument_id, broker_token from history.broker_instruments_as_of('2026-08-17')"
        " where tradingsymbol = 'MOVES'",
    ) == [(one["MOVES"], "2817")]


def test_a_rollback_believes_what_was_believed_and_forgets_nothing(
    dbt: Dbt, warehouse: Connection
) -> None:
    for as_of, rows in DAYS.items():
        publish_day(dbt, warehouse, rows, as_of)
    seen = {day.isoformat(): ids(warehouse, day.isoformat()) for day in DAYS}
    at = datetime(2026, 8, 19, 9, tzinfo=UTC)
    rollback_to(warehouse, 1, published_at=at)
    assert violations(warehouse) == {}
    assert ids(warehouse, "2026-08-19") == seen["2026-08-17"]
    assert events(warehouse, "2026-08-18") == []
    # What consumers of publication 3 saw, then and of the days before.
    for day, symbols in seen.items():
        then = asked(
            warehouse,
            "select tradingsymbol, instrument_id from history.instruments_as_seen(%s, 3)", day,
        )  # fmt: skip
        assert dict(then) == symbols
    rollback_to(warehouse, 3, published_at=at)
    assert violations(warehouse) == {}
    assert {day: ids(warehouse, day) for day in seen} == seen
    assert events(warehouse, "2026-08-18") == EVENTS_2
    assert events(warehouse, "2026-08-19") == EVENTS_3
    rollback_to(warehouse, 2, published_at=at)
    assert violations(warehouse) == {}
    assert ids(warehouse, "2026-08-19") == seen["2026-08-18"]
    publish_day(dbt, warehouse, DAY_3, date(2026, 8, 19))
    again = ids(warehouse, "2026-08-19")
    # What nobody believes to have been listed before gets a number of its own.
    assert again.pop("OTHER") > seen["2026-08-19"].pop("OTHER")
    assert again == seen["2026-08-19"]
    assert events(warehouse, "2026-08-19") == EVENTS_3


def test_a_second_publication_of_a_day_corrects_the_day(dbt: Dbt, warehouse: Connection) -> None:
    day = date(2026, 8, 18)
    publish_day(dbt, warehouse, DAY_1, date(2026, 8, 17))
    publish_day(dbt, warehouse, DAY_1[:-3], day)
    assert [event[0] for event in events(warehouse, str(day))] == ["delisted"] * 3
    publish_day(dbt, warehouse, DAY_2, day)
    assert len(events(warehouse, str(day))) == len(EVENTS_2)
    publish_day(dbt, warehouse, DAY_1, day)
    assert events(warehouse, str(day)) == []
    assert ids(warehouse, "2026-08-18") == ids(warehouse, "2026-08-17")
    believed = "select count(*) from history.instrument_versions where superseded_by is null"
    assert asked(warehouse, believed) == [(len(DAY_1),)]
    publish_day(dbt, warehouse, DAY_2, day)
    assert events(warehouse, str(day)) == EVENTS_2


def test_hand_changes_follow_their_instrument_and_end_with_it(
    dbt: Dbt, warehouse: Connection
) -> None:
    publish_day(dbt, warehouse, DAY_1, date(2026, 8, 17))
    warehouse.execute(
        "update public.instruments set is_active = true"
        " where trading_symbol in ('HINDPETRO26AUG410CE', 'ITDCEM', 'TAKEN', 'BACK')"
    )
    capture_overrides(warehouse)
    publish_day(dbt, warehouse, DAY_2, date(2026, 8, 18))
    overrides = "select canonical_id from ops.subscription_overrides order by 1"
    followed = [("NFO:HINDPETRO:2026-08-25:390.75:CE",), ("NSE:BACK",), ("NSE:CEMPRO",)]
    assert asked(warehouse, overrides) == followed
    active = (
        "select tradingsymbol from marts.active_subscriptions where origin = 'override' order by 1"
    )
    assert asked(warehouse, active) == [("CEMPRO",), ("HINDPETRO26AUG390.75CE",)]
    assert ("strike_adjusted", True) in asked(
        warehouse, "select event, is_active from history.instrument_events"
    )
    publish_day(dbt, warehouse, DAY_3, date(2026, 8, 19))
    assert asked(warehouse, active) == [("BACK",), ("CEMPRO",), ("HINDPETRO26AUG390.75CE",)]
    rollback_to(warehouse, 1, published_at=datetime(2026, 8, 19, 9, tzinfo=UTC))
    assert asked(warehouse, overrides) == [
        ("NFO:HINDPETRO:2026-08-25:410:CE",), ("NSE:BACK",), ("NSE:ITDCEM",), ("NSE:TAKEN",),
    ]  # fmt: skip
