"""Whole days of several brokers through dbt and the publisher: who lists, who follows late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from exporters.postgres import capture_overrides
from tests.dbt.broker_dumps import SMALL_DUMPS
from tests.dbt.conftest import Dbt, with_feeds
from tests.dbt.kite_rows import contract, row
from tests.dbt.published_days import Connection, asked, empty_warehouse, events, ids, publish_day

DAYS = [date(2026, 8, day) for day in (17, 18, 19, 20, 21)]
HEADER = str(SMALL_DUMPS["dhan"]).partition("\n")[0]


def share(symbol: str, number: int, name: str) -> dict[str, str]:
    token = {"instrument_token": str(number * 256 + 1), "exchange_token": str(number)}
    return row(**token, tradingsymbol=symbol, name=name)


def dhan_share(symbol: str, number: int, name: str, series: str = "EQ") -> str:
    return f"NSE,E,{number},EQUITY,0,{symbol},1.0,{name},,,,10.0000,NA,ES,{series},{name}"


def angel_share(symbol: str, number: int) -> dict[str, str]:
    """A share as Angel One writes it: its name is its symbol, whatever company it is of."""
    return {
        "token": str(number), "symbol": f"{symbol}-EQ", "name": symbol, "expiry": "",
        "strike": "-1.000000", "lotsize": "1", "instrumenttype": "", "exch_seg": "NSE",
        "tick_size": "10.000000",
    }  # fmt: skip


def upstox_share(symbol: str, number: int, isin: str, name: str) -> dict[str, object]:
    return {
        "segment": "NSE_EQ", "name": name, "exchange": "NSE", "isin": isin,
        "instrument_type": "EQ", "instrument_key": f"NSE_EQ|{isin}", "lot_size": 1,
        "exchange_token": str(number), "tick_size": 10.0, "trading_symbol": symbol,
    }  # fmt: skip


def dhan_future(number: int, expiry: str = "2026-10-27") -> str:
    month = date.fromisoformat(expiry)
    return (
        f"NSE,D,{number},FUTIDX,0,NIFTY-{month:%b%Y}-FUT,1.0,NIFTY FUT,{expiry} 14:30:00,"
        "-0.01000,XX,5.0000,M,FUT,,"
    )


KITE = [share("STAYS", 1, "STAYS LTD"), contract("NIFTY", "NFO", "2026-12-29", 900)]
KITE_EQ = share("SERIES", 14, "SERIES LTD")
KITE_BE = share("SERIES-BE", 15, "SERIES LTD")
# Of this one contract Dhan says 1 where Kite says 65.
OCTOBER = contract("NIFTY", "NFO", "2026-10-27", 3)
DHAN = [
    dhan_share("STAYS", 1, "STAYS LTD"),
    dhan_share("OWN", 70, "OWN LTD"),
    # Its number is Dhan's own: the exchange has none for an index.
    "NSE,I,501,INDEX,0,NIFTY OWN,1.0,NIFTY OWN,0001-01-01,,XX,0.0000,NA,X,X,NIFTY OWN",
    dhan_future(3),
]
# A dump without a contract is refused.
UPSTOX_OPTION = {
    "segment": "BSE_FO", "name": "SENSEX", "exchange": "BSE", "expiry": 1787855399000,
    "instrument_type": "PE", "underlying_symbol": "SENSEX", "instrument_key": "BSE_FO|835999",
    "lot_size": 20, "exchange_token": "835999", "tick_size": 5.0, "strike_price": 67200.0,
    "trading_symbol": "SENSEX 67200 PE 27 AUG 26",
}  # fmt: skip
DHAN_EQ = dhan_share("SERIES", 14, "SERIES LTD")
DHAN_BE = dhan_share("SERIES", 15, "SERIES LTD", "BE")


@pytest.fixture(scope="module")
def both(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return with_feeds(dbt, "kite,dhan", tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="module")
def three(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return with_feeds(dbt, "kite,angel_one,dhan", tmp_path_factory.mktemp("dbt"))


@pytest.fixture
def warehouse(dbt: Dbt) -> Iterator[Connection]:
    with empty_warehouse(dbt) as connection:
        yield connection


def test_brokers_list_and_follow_each_on_its_day_and_a_feed_may_be_off_for_a_day(
    dbt: Dbt, both: Dbt, warehouse: Connection, tmp_path: Path
) -> None:
    def dhan(*rows: str) -> dict[str, Path]:
        path = tmp_path / "dhan.csv"
        path.write_text("\n".join([HEADER, *DHAN, *rows, ""]))
        return {"dhan": path}

    def told(day: date) -> list[tuple[object, ...]]:
        return events(warehouse, str(day))

    # Dhan lists a contract that Kite lists a day later; the share moves at Kite first.
    publish_day(both, warehouse, [*KITE, KITE_EQ], DAYS[0], dhan(DHAN_EQ))
    publish_day(both, warehouse, [*KITE, KITE_BE, OCTOBER], DAYS[1], dhan(DHAN_EQ))
    publish_day(both, warehouse, [*KITE, KITE_BE, OCTOBER], DAYS[2], dhan(DHAN_BE))
    contract_id = "NFO:NIFTY:2026-10-27:FUT"
    assert told(DAYS[1]) == [
        ("listed", "kite", contract_id, None, "NIFTY26OCTFUT"),
        ("series_changed", None, "NSE:SERIES-BE", "EQ", "BE"),
        ("token_moved", "kite", "NSE:SERIES-BE", str(14 * 256 + 1), str(15 * 256 + 1)),
    ]
    assert told(DAYS[2]) == [
        ("series_changed", "dhan", "NSE:SERIES-BE", "EQ", "BE"),
        ("token_moved", "dhan", "NSE:SERIES-BE", "14", "15"),
    ]
    one, two, three = (ids(warehouse, str(day)) for day in DAYS[:3])
    assert one["SERIES"] == two["SERIES-BE"] == three["SERIES-BE"]
    assert one["NIFTY-Oct2026-FUT"] == two["NIFTY26OCTFUT"]
    # Dhan is switched off for a day. What only it lists is not known of then, and is the same
    # thing when it is read again.
    publish_day(dbt, warehouse, [*KITE, KITE_BE, OCTOBER], DAYS[3], {})
    publish_day(both, warehouse, [*KITE, KITE_BE, OCTOBER], DAYS[4], dhan(DHAN_BE))
    assert told(DAYS[3]) == told(DAYS[4]) == []
    assert {"OWN", "NIFTY OWN"} == three.keys() - ids(warehouse, str(DAYS[3])).keys()
    assert ids(warehouse, str(DAYS[4])) == three
    assert asked(
        warehouse,
        "select valid_from, valid_to from history.instrument_versions"
        " where tradingsymbol = 'OWN' and superseded_by is null order by 1",
    ) == [(DAYS[0], DAYS[3]), (DAYS[4], None)]


@pytest.mark.parametrize("other", ["Angel One", "a Dhan that is stale", "a Dhan that is late"])
def test_a_symbol_that_another_share_took_is_that_share_whatever_other_brokers_say(
    three: Dbt, warehouse: Connection, tmp_path: Path, other: str
) -> None:
    def others(number: int) -> dict[str, Path]:
        """What the others list, Angel One with TAKEN under a number, or Dhan as it was."""
        angel_one = [angel_share("STAYS", 1)]
        dhan = list(DHAN)
        if other == "Angel One":
            angel_one.append(angel_share("TAKEN", number))
        else:
            dhan.append(dhan_share("TAKEN", 12, "FIRST LTD"))
        paths = {"angel_one": tmp_path / "angel_one.json", "dhan": tmp_path / "dhan.csv"}
        paths["angel_one"].write_text(json.dumps(angel_one))
        paths["dhan"].write_text("\n".join([HEADER, *dhan, ""]))
        return paths

    publish_day(three, warehouse, [*KITE, share("TAKEN", 12, "FIRST LTD")], DAYS[0], others(12))
    warehouse.execute(
        "update public.instruments set is_active = true where trading_symbol = 'TAKEN'"
    )
    capture_overrides(warehouse)
    remembered = "select canonical_id from ops.subscription_overrides"
    assert asked(warehouse, remembered) == [("NSE:TAKEN",)]
    stale = ["dhan"] if other == "a Dhan that is stale" else []
    publish_day(
        three, warehouse, [*KITE, share("TAKEN", 13, "SECOND LTD")], DAYS[1], others(13), stale
    )
    one, two = (ids(warehouse, str(day)) for day in DAYS[:2])
    assert one["STAYS"] == two["STAYS"]
    assert one["TAKEN"] != two["TAKEN"]
    assert asked(warehouse, remembered) == []
    told = [event[:3] for event in events(warehouse, str(DAYS[1]))]
    assert ("delisted", None, "NSE:TAKEN") in told
    assert ("listed", None, "NSE:TAKEN") in told


def test_a_share_that_only_upstox_lists_goes_on_when_a_split_gives_it_another_isin(
    dbt: Dbt, warehouse: Connection, tmp_path: Path
) -> None:
    with_upstox = with_feeds(dbt, "kite,upstox", tmp_path)
    path = tmp_path / "upstox.json"
    for day, isin in zip(DAYS, ["INE732I01013", "INE732I01021"], strict=False):
        shares = [upstox_share("ANGELONE", 324, isin, "ANGEL ONE LIMITED")]
        path.write_text(json.dumps([*shares, UPSTOX_OPTION]))
        publish_day(with_upstox, warehouse, KITE, day, {"upstox": path})
    one, two = (ids(warehouse, str(day)) for day in DAYS[:2])
    assert one == two
    assert events(warehouse, str(DAYS[1])) == [
        ("token_moved", "upstox", "NSE:ANGELONE", "NSE_EQ|INE732I01013", "NSE_EQ|INE732I01021"),
    ]
