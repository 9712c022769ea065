"""What history tells when several brokers list an instrument: each of its own, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from exporters.postgres import rollback_to
from tests.exporters.postgres.candidate_builder import DAY_1
from tests.exporters.postgres.days_of_brokers import (
    ANGEL_ONE,
    DHAN,
    KITE,
    MONDAY,
    REST,
    UPSTOX,
    Days,
)
from tests.history_invariants import violations


@pytest.fixture
def days(warehouse: psycopg.Connection) -> Days:
    return Days(warehouse)


def test_a_broker_that_begins_to_list_is_a_listing_there_and_nothing_else(days: Days) -> None:
    """Kite is the reference from then on: symbol, lot, tick and name are its, and nobody's news."""
    assert days.publish(DHAN) == []
    one = days.id()
    assert days.publish(KITE, DHAN) == [("listed", "kite", "512", None, KITE.symbol)]
    assert days.id() == one
    lots = days.warehouse.execute(
        "select lot_size from history.instrument_versions where instrument_id = %s"
        " order by valid_from",
        [one],
    ).fetchall()
    assert lots == [(1,), (75,)]
    assert days.publish(KITE, DHAN) == []


def test_a_broker_that_lists_no_more_is_a_delisting_there_and_nothing_else(days: Days) -> None:
    days.publish(KITE, DHAN)
    one = days.id()
    assert days.publish(DHAN) == [("delisted", "kite", "512", KITE.symbol, None)]
    assert days.id() == one
    assert days.publish(KITE, DHAN) == [("relisted", "kite", "512", None, KITE.symbol)]
    assert days.id() == one


def test_what_every_broker_lists_at_once_is_told_once(days: Days) -> None:
    days.publish()
    assert days.publish(KITE, DHAN, UPSTOX) == [("listed", None, None, None, KITE.symbol)]
    back = {str(KITE.canonical_id): days.id()}
    assert days.publish() == [("delisted", None, None, KITE.symbol, None)]
    assert days.publish(KITE, relisted=back) == [("relisted", None, None, None, KITE.symbol)]
    assert days.publish(KITE, DHAN) == [("relisted", "dhan", "2", None, DHAN.symbol)]


def test_what_expired_is_told_once(days: Days) -> None:
    yesterday = replace(KITE, expiry=MONDAY), replace(DHAN, expiry=MONDAY)
    days.publish(*yesterday)
    assert days.publish() == [("expired", None, None, KITE.symbol, None)]


def test_a_lot_is_told_of_who_changed_it(days: Days) -> None:
    days.publish(KITE, replace(DHAN, lot=75), UPSTOX)
    new_kite, new_dhan, new_upstox = (
        replace(one, lot=65) for one in (KITE, DHAN, UPSTOX)
    )  # fmt: skip
    assert days.publish(KITE, new_dhan, UPSTOX) == [("lot_changed", "dhan", "2", "75", "65")]
    assert days.publish(new_kite, new_dhan, new_upstox) == [("lot_changed", None, None, "75", "65")]


def test_what_the_reference_changes_as_another_takes_its_place_is_told_of_brokers(
    days: Days,
) -> None:
    days.publish(DHAN, UPSTOX)
    changed = replace(DHAN, lot=25)
    assert days.publish(KITE, changed, UPSTOX) == [
        ("lot_changed", "dhan", "2", "1", "25"),
        ("listed", "kite", "512", None, KITE.symbol),
    ]


def test_brokers_change_tokens_and_symbols_of_their_own(days: Days) -> None:
    days.publish(KITE, ANGEL_ONE, UPSTOX)
    one = days.id()
    assert days.publish(
        KITE, replace(ANGEL_ONE, token="3"), replace(UPSTOX, symbol="NIFTY 30000 CE 24 NOV 2026")
    ) == [
        ("token_moved", "angel_one", "3", "2", "3"),
        ("renamed", "upstox", "NSE_FO|2", UPSTOX.symbol, "NIFTY 30000 CE 24 NOV 2026"),
    ]
    assert days.id() == one


def test_a_stale_broker_is_no_event_nor_is_its_return(days: Days) -> None:
    days.publish(KITE, DHAN)
    stale = tuple(replace(one, is_stale=one.broker == "dhan") for one in REST)
    assert days.publish(KITE, replace(DHAN, is_stale=True), rest=stale) == []
    assert days.publish(KITE, DHAN) == []


def test_a_match_that_is_lost_and_found_is_neither_delisted_nor_listed(days: Days) -> None:
    days.publish(KITE, DHAN)
    assert days.publish(KITE, replace(DHAN, canonical_id=None)) == []
    assert days.publish(KITE, DHAN) == []


def test_a_feed_that_is_switched_off_and_on_again_tells_nothing(days: Days) -> None:
    """Only Upstox lists OWN, and it spells what Dhan spells otherwise."""
    own = replace(UPSTOX, token="NSE_FO|7", symbol="OWN", canonical_id="NFO:OWN")
    gone = replace(own, token="NSE_FO|8", symbol="GONE", canonical_id="NFO:GONE")
    days.publish(UPSTOX, own, gone, DHAN)
    one, its = days.id(), days.id("NFO:OWN")
    without = tuple(one for one in REST if one.broker != "upstox")
    assert days.publish(DHAN, rest=without) == []
    assert days.id() == one
    assert days.publish(DHAN, rest=without) == []
    # Back again, as continuity has it; and with something new, of which nobody knows since when.
    new = replace(own, token="NSE_FO|10", symbol="NEW", canonical_id="NFO:NEW")
    assert days.publish(UPSTOX, own, new, DHAN, relisted={"NFO:OWN": its}) == []
    assert (days.id(), days.id("NFO:OWN")) == (one, its)
    # From now on it is known.
    assert days.publish(UPSTOX, new, DHAN) == [("delisted", None, None, "OWN", None)]


def test_what_a_broker_that_stays_delists_as_another_is_switched_off_is_told(days: Days) -> None:
    days.publish(DHAN, UPSTOX)
    without = tuple(one for one in REST if one.broker != "upstox")
    assert days.publish(rest=without) == [("delisted", None, None, DHAN.symbol, None)]


def test_a_second_publication_of_a_day_tells_brokers_anew(days: Days) -> None:
    days.publish(DHAN, UPSTOX)
    once = days.publish(KITE, replace(DHAN, token="3"), UPSTOX)
    assert once == [
        ("token_moved", "dhan", "3", "2", "3"),
        ("listed", "kite", "512", None, KITE.symbol),
    ]
    # Kite's lot is corrected: what Dhan and Kite did that day stays told.
    assert days.publish(
        replace(KITE, lot=65), replace(DHAN, token="3"), UPSTOX, again=True
    ) == once  # fmt: skip
    assert days.publish(DHAN, UPSTOX, again=True) == []


def test_a_second_publication_tells_of_a_broker_what_the_instrument_did_not_do_after_all(
    days: Days,
) -> None:
    dhan = replace(DHAN, lot=75)
    days.publish(KITE, dhan)
    new_kite, new_dhan = replace(KITE, lot=65), replace(dhan, lot=65)
    assert days.publish(new_kite, new_dhan) == [("lot_changed", None, None, "75", "65")]
    assert days.publish(KITE, new_dhan, again=True) == [("lot_changed", "dhan", "2", "75", "65")]
    assert days.publish(new_kite, new_dhan, again=True) == [("lot_changed", None, None, "75", "65")]


def test_a_second_publication_tells_of_what_one_broker_lists_after_all(days: Days) -> None:
    days.publish()
    assert days.publish(KITE, DHAN) == [("listed", None, None, None, KITE.symbol)]
    assert days.publish(DHAN, again=True) == [("listed", None, None, None, DHAN.symbol)]
    assert days.publish(KITE, DHAN, again=True) == [("listed", None, None, None, KITE.symbol)]
    assert days.publish(again=True) == []


def test_a_rollback_believes_what_was_told_of_brokers(days: Days) -> None:
    monday = days.publish(KITE, DHAN, UPSTOX)
    tuesday = days.publish(replace(DHAN, token="3"), UPSTOX)
    assert [event[:2] for event in tuesday] == [("token_moved", "dhan"), ("delisted", "kite")]
    without = tuple(one for one in REST if one.broker != "upstox")
    days.publish(KITE, replace(DHAN, token="3"), rest=without)
    rollback_to(days.warehouse, 2, published_at=DAY_1)
    assert violations(days.warehouse) == {}
    assert days.told() == []
    assert days.told(MONDAY + timedelta(days=1)) == tuesday
    rollback_to(days.warehouse, 1, published_at=DAY_1)
    assert violations(days.warehouse) == {}
    assert days.told(MONDAY + timedelta(days=1)) == monday == []
    assert days.publish(KITE, DHAN, UPSTOX) == []


def test_a_feed_that_comes_in_the_second_publication_of_a_day_is_no_news_either(
    days: Days,
) -> None:
    without = tuple(one for one in REST if one.broker != "dhan")
    days.publish(KITE, rest=without)
    assert days.publish(KITE, rest=without) == []
    new = replace(DHAN, token="4", symbol="NEW", canonical_id="NFO:NEW")
    assert days.publish(KITE, DHAN, again=True) == []
    assert days.publish(KITE, DHAN, new, again=True) == []
    # Switched off, on again on the same day: then it is new, as it was. A day later it is known.
    assert days.publish(KITE, rest=without, again=True) == []
    assert days.publish(KITE, DHAN, new, again=True) == []
    assert days.publish(KITE, DHAN) == [("delisted", None, None, "NEW", None)]
    later = replace(new, token="5", symbol="LATER", canonical_id="NFO:LATER")
    assert days.publish(KITE, rest=without) == []
    assert days.publish(KITE, DHAN, later, again=True) == [("listed", None, None, None, "LATER")]


@pytest.mark.parametrize("key", ["the same token", "another token"])
def test_a_series_that_a_broker_follows_a_day_late_is_its_own_event(days: Days, key: str) -> None:
    """Kite moves a share from EQ to BE on Tuesday, Upstox on Wednesday; then the other way."""
    eq, be = "NSE:SERIES", "NSE:SERIES-BE"
    kite = replace(KITE, canonical_id=eq, symbol="SERIES")
    late = replace(UPSTOX, canonical_id=eq, symbol="SERIES")
    kite_be = replace(kite, canonical_id=be, symbol="SERIES-BE", token="513")
    token = "NSE_FO|2" if key == "the same token" else "NSE_FO|3"
    late_be = replace(late, canonical_id=be, token=token)
    days.publish(kite, late)
    one = days.id(eq)
    assert days.publish(kite_be, late, continued={be: eq}) == [
        ("series_changed", None, None, "EQ", "BE"),
        ("token_moved", "kite", "513", "512", "513"),
    ]
    assert days.id(be) == one != days.id(eq)
    moved = [("token_moved", "upstox", token, late.token, token)] if token != late.token else []
    assert days.publish(kite_be, late_be) == [
        ("series_changed", "upstox", token, "EQ", "BE"), *moved,
    ]  # fmt: skip
    assert days.id(be) == one
    # Back: Upstox is first now.
    back = [("token_moved", "upstox", late.token, token, late.token)] if moved else []
    assert days.publish(kite_be, late) == [
        ("series_changed", "upstox", late.token, "BE", "EQ"), *back,
    ]  # fmt: skip
    assert days.publish(kite, late, continued={eq: be}) == [
        ("series_changed", None, None, "BE", "EQ"),
        ("token_moved", "kite", "512", "513", "512"),
    ]
    assert days.id(eq) == one
