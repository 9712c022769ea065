"""What `warehouse lookup` and `warehouse changes` answer, over days of several brokers."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest
from rich.console import Console

from tests.exporters.postgres.days_of_brokers import DHAN, KITE, MONDAY, REST, UPSTOX, Days
from warehouse.changes import ask, each, groups
from warehouse.errors import UsageError
from warehouse.history import look_up
from warehouse.history_view import print_changes, print_looked

TUESDAY = MONDAY + timedelta(days=1)
# Dhan's numbers are unique within an exchange only.
HDFC = replace(DHAN, token="1333", symbol="HDFCBANK", canonical_id="NSE:HDFCBANK", exchange="NSE")
OTHER = replace(HDFC, symbol="OTHER", canonical_id="BSE:OTHER", exchange="BSE")
BOND = replace(HDFC, token="7", symbol="12.50", canonical_id="NSE:12.50", tick=Decimal("0.0500"))
CONFLICT = replace(DHAN, token="9999", symbol="GAIL-Nov2026-152-CE", canonical_id=None)
INDEX = replace(UPSTOX, token="NSE_INDEX|1", symbol="INDEX", canonical_id="INDEX:A", exchange="NSE")


@pytest.fixture
def two_days(ledger: psycopg.Connection) -> psycopg.Connection:
    days = Days(ledger)
    days.publish(KITE, DHAN, HDFC, OTHER, BOND, CONFLICT)
    days.publish(KITE, replace(DHAN, lot=25), HDFC, OTHER, BOND, CONFLICT, INDEX)
    return ledger


def shown(show: Callable[[Console], None]) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_a_token_may_have_its_exchange(two_days: psycopg.Connection) -> None:
    one = look_up(two_days, "NSE:1333", at=None, broker="dhan")
    other = look_up(two_days, "BSE:1333", at=MONDAY, broker="dhan")
    assert (one.instrument["canonical_id"], other.instrument["canonical_id"]) == (
        "NSE:HDFCBANK", "BSE:OTHER",
    )  # fmt: skip
    # A token is Kite's unless a broker is named.
    assert look_up(two_days, "NFO:512", at=None, broker=None).instrument["lot_size"] == 75
    assert look_up(two_days, "NSE:1333", at=None, broker=None).answer == "none"


def test_several_instruments_are_not_none(two_days: psycopg.Connection) -> None:
    found = look_up(two_days, "1333", at=None, broker="dhan")
    assert (found.answer, found.is_found, found.suggestions) == ("several", False, ())
    called = [(row["canonical_id"], row["exchange"], row["tradingsymbol"]) for row in found.several]
    assert sorted(called) == [("BSE:OTHER", "BSE", "OTHER"), ("NSE:HDFCBANK", "NSE", "HDFCBANK")]
    told = shown(lambda console: print_looked(console, found))
    assert "2 instruments are called 1333" in told
    assert "NSE:HDFCBANK" in told
    assert look_up(two_days, "1334", at=None, broker="dhan").answer == "none"


def test_a_row_in_conflict_is_told(two_days: psycopg.Connection) -> None:
    found = look_up(two_days, "9999", at=None, broker="dhan")
    assert (found.answer, len(found.brokers)) == ("conflict", 1)
    told = shown(lambda console: print_looked(console, found))
    assert "9999 is in conflict" in told
    assert CONFLICT.symbol in told


def test_what_has_expired_is_over_though_no_publication_said_so(
    two_days: psycopg.Connection,
) -> None:
    """Its last publication is of Tuesday, and it expires in November."""
    option, expiry = "NFO:512", date(2026, 11, 24)
    still = look_up(two_days, option, at=expiry, broker=None)
    assert (still.answer, still.instrument["expiry_date"], still.ends) == (
        "found", expiry, TUESDAY,
    )  # fmt: skip
    told = shown(lambda console: print_looked(console, still))
    assert told.startswith(f"History ends on {TUESDAY}: nothing newer is known of {expiry}.")
    over = look_up(two_days, option, at=expiry + timedelta(days=1), broker=None)
    assert (over.answer, over.ends) == ("none", TUESDAY)
    of = "select count(*) from history.broker_instruments_as_of(%s) where broker_token = %s"
    counts = [
        two_days.execute(of, [day, KITE.token]).fetchone() for day in (TUESDAY, expiry, over.at)
    ]
    assert counts == [(1,), (1,), (0,)]
    assert look_up(two_days, option, at=TUESDAY, broker=None).ends is None


def test_a_day_before_history_is_no_answer_about_instruments(
    two_days: psycopg.Connection,
) -> None:
    found = look_up(two_days, "NSE:HDFCBANK", at=date(2026, 8, 1), broker=None)
    assert (found.answer, found.begins) == ("before history", MONDAY)
    told = shown(lambda console: print_looked(console, found))
    assert told == "History begins on 2026-08-17: nothing is known of 2026-08-01.\n"


def test_suggestions_are_of_the_day(two_days: psycopg.Connection) -> None:
    assert look_up(two_days, "NSE:INDEXX", at=TUESDAY, broker=None).suggestions == ["NSE:INDEX"]
    assert look_up(two_days, "NSE:INDEXX", at=MONDAY, broker=None).suggestions == []


def test_only_numbers_lose_their_zeros(two_days: psycopg.Connection) -> None:
    found = look_up(two_days, "NSE:12.50", at=None, broker=None)
    told = shown(lambda console: print_looked(console, found))
    assert "12.50" in told
    assert "tick_size_inr 0.05\n" in told


def test_a_broker_that_there_is_not_is_a_usage_error(two_days: psycopg.Connection) -> None:
    with pytest.raises(UsageError, match="'zerodha' is none of the brokers: angel_one"):
        look_up(two_days, "1333", at=None, broker="zerodha")
    with pytest.raises(UsageError, match="'zerodha' is none of the brokers"):
        ask(two_days, since=None, broker="zerodha")
    with pytest.raises(UsageError, match="'adjusted' is none of the events: listed"):
        ask(two_days, since=None, events=["adjusted"])
    with pytest.raises(UsageError, match="--until 2026-08-16 is before --since 2026-08-17"):
        ask(two_days, since=MONDAY, until=MONDAY - timedelta(days=1))


def test_changes_are_counted_by_exchange_and_told_one_by_one(
    two_days: psycopg.Connection,
) -> None:
    def counted(**which: object) -> list[tuple[object, ...]]:
        asked = ask(two_days, **{"since": None, **which})  # type: ignore[arg-type]
        found = [tuple(row.values()) for row in groups(two_days, asked)]
        assert sum(row[2] for row in found) == len(list(each(two_days, asked)))
        return found

    # An index is listed at an exchange, though its id does not say so.
    lots, listed = ("lot_changed", "NFO", 1, 1), ("listed", "NSE", 1, 0)
    assert counted() == [listed, lots]
    assert counted(broker="dhan") == [lots]
    assert counted(events=["listed", "expired"]) == [listed]
    assert counted(since=MONDAY, until=MONDAY) == []
    assert counted(since=MONDAY) == [listed, lots]
    asked = ask(two_days, since=None)
    told = shown(
        lambda console: print_changes(
            console, asked, groups(two_days, asked), each(two_days, asked, of_subscriptions=True)
        )
    )
    assert "2 changes since 2026-08-18" in told
    assert "1 of subscriptions" in told


def test_nothing_to_tell_is_told(ledger: psycopg.Connection) -> None:
    with pytest.raises(UsageError, match="Nothing has been published yet"):
        ask(ledger, since=None)
    Days(ledger).publish(KITE, rest=REST)
    asked = ask(ledger, since=MONDAY, until=TUESDAY)
    told = shown(lambda console: print_changes(console, asked, groups(ledger, asked), []))
    assert told == "Nothing changed since 2026-08-17 until 2026-08-18.\n"
