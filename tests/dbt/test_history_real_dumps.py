"""What history says happened between real dumps of two days, at full size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.dbt.conftest import Dbt
from tests.dbt.kite_rows import Row, read_dump
from tests.dbt.published_days import Connection, asked, empty_warehouse, events, ids, publish_day

pytestmark = pytest.mark.real_dumps

BEFORE, DAY = date(2026, 8, 14), date(2026, 8, 17)
# HINDPETRO's options gave up 19.25 of their strikes: 410 became 390.75 under the same token.
GIVEN_UP = Decimal("19.25")


@pytest.fixture
def warehouse(dbt: Dbt) -> Iterator[Connection]:
    with empty_warehouse(dbt) as connection:
        yield connection


def is_adjusted(row: Row) -> bool:
    return row["name"] == "HINDPETRO" and row["strike"].endswith(".75")


def undone(row: Row) -> Row:
    """The row as it was before the adjustment: the same token, the old strike and symbol."""
    strike = str((Decimal(row["strike"]) + GIVEN_UP).quantize(Decimal(1)))
    symbol = row["tradingsymbol"].replace(row["strike"], strike)
    return row | {"strike": strike, "tradingsymbol": symbol}


@pytest.mark.exhaustive
def test_an_adjustment_of_the_day_is_followed_row_by_row(
    dbt: Dbt, warehouse: Connection, kite_dump: Path
) -> None:
    """The real dump, and before it the day that its adjustment was made of.

    74 rows kept their token and changed strike and symbol. 60 of the symbols that they had were
    listed anew under other tokens, so that those rows did not exist the day before.
    """
    today = read_dump(kite_dump)
    was = {row["instrument_token"]: undone(row) for row in today if is_adjusted(row)}
    old_symbols = {row["tradingsymbol"]: token for token, row in was.items()}
    anew = {
        row["tradingsymbol"]: row["instrument_token"] for row in today
        if row["tradingsymbol"] in old_symbols
    }  # fmt: skip
    assert (len(was), len(anew)) == (74, 60)
    assert all(old_symbols[symbol] != token for symbol, token in anew.items())
    yesterday = [
        was.get(row["instrument_token"], row) for row in today if row["tradingsymbol"] not in anew
    ]
    publish_day(dbt, warehouse, yesterday, BEFORE)
    publish_day(dbt, warehouse, today, DAY)
    one, two = by_token(warehouse, BEFORE), by_token(warehouse, DAY)
    assert (len(one), len(two)) == (125_521, 125_581)
    # By token nothing is another instrument, the 74 no more than the rest; the 60 are new.
    assert two.keys() - one.keys() == set(anew.values())
    assert {token: two[token] for token in one} == one
    assert {two[token] for token in anew.values()}.isdisjoint(one.values())
    # By symbol they are: 60 symbols are another instrument today, and all others what they were.
    symbols = {row["tradingsymbol"] for row in yesterday if row["exchange"] == "NFO"}
    then, now = ids(warehouse, str(BEFORE)), ids(warehouse, str(DAY))
    assert {one for one in symbols & now.keys() if then[one] != now[one]} == set(anew)
    found = events(warehouse, str(DAY))
    assert Counter(event[0] for event in found) == {
        "strike_adjusted": 74, "renamed": 74, "listed": 60,
    }  # fmt: skip
    moved = {event[2]: event[3:] for event in found if event[0] == "strike_adjusted"}
    assert moved == {
        canonical_id(row | {"strike": new["strike"]}): (row["strike"], new["strike"])
        for new in today if (row := was.get(new["instrument_token"]))
    }  # fmt: skip
    assert {event[4] for event in found if event[0] == "listed"} == set(anew)
    # Only what changed has a second version.
    versions = "select count(*) from history.instrument_versions where valid_to is not null"
    assert asked(warehouse, versions) == [(74,)]


def canonical_id(row: Row) -> str:
    return (
        f"NFO:{row['name']}:{row['expiry']}:{row['strike'].removesuffix('.0')}"
        f":{row['instrument_type']}"
    )


def by_token(warehouse: Connection, day: date) -> dict[str, int]:
    found = asked(
        warehouse,
        "select broker_token, instrument_id from history.broker_instruments_as_of(%s)", str(day),
    )  # fmt: skip
    return dict(found)  # type: ignore[arg-type]


def test_six_days_of_nse_are_told_as_they_were(
    dbt: Dbt, warehouse: Connection, real_dumps: Path, kite_dump: Path
) -> None:
    """Two real dumps of NSE, of 2026-07-30 and 2026-08-05."""
    first, second = date(2026, 7, 30), date(2026, 8, 5)
    earlier = read_dump(real_dumps / "kite" / "2026-07-30_nse.csv.gz")
    later = [row for row in read_dump(kite_dump) if row["exchange"] == "NSE"]
    publish_day(dbt, warehouse, earlier, first)
    publish_day(dbt, warehouse, later, second)
    one, two = by_token(warehouse, first), by_token(warehouse, second)
    stayed = one.keys() & two.keys()
    assert (len(one), len(two), len(stayed)) == (9_985, 9_970, 9_959)
    assert {token: two[token] for token in stayed} == {token: one[token] for token in stayed}
    found = events(warehouse, str(second))
    assert Counter(event[0] for event in found) == {
        "delisted": 24, "listed": 9, "renamed": 1, "series_changed": 2, "token_moved": 2,
    }  # fmt: skip
    followed = [event for event in found if event[0] not in {"delisted", "listed"}]
    assert followed == [
        ("renamed", None, "NSE:ASTERDM", "ASTER DM HEALTHCARE", "ASTER DM QUALITY CARE"),
        ("series_changed", None, "NSE:PIONRINV-BE", "EQ", "BE"),
        ("series_changed", None, "NSE:RMDRIP-BE", "EQ", "BE"),
        ("token_moved", "kite", "NSE:PIONRINV-BE", "195284225", "195284993"),
        ("token_moved", "kite", "NSE:RMDRIP-BE", "194005505", "194006017"),
    ]
    # 26 tokens went and 11 came: two of each are a share that went into another series.
    assert two["195284993"] == one["195284225"]
    assert two["194006017"] == one["194005505"]
    assert len(one.keys() - two.keys()) == 26
    assert {two[token] for token in two.keys() - one.keys()} & set(one.values()) == {
        one["195284225"], one["194005505"],
    }  # fmt: skip
