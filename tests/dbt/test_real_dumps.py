"""The models against real Kite dumps, and truths that were counted without them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from instrument_registry.sync.focus_rule import FocusRule, focus_set
from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import Row, land, read_dump, set_filter

pytestmark = pytest.mark.real_dumps

Database = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def dump(kite_dump: Path) -> list[Row]:
    return read_dump(kite_dump)


@pytest.fixture(scope="module")
def statuses(dbt: Dbt, database: Database, dump: list[Row]) -> dict[str, str]:
    land(database, dump, as_of="2026-08-17")
    return dbt.build()


def scalar(database: Database, query: str) -> Any:
    return next(iter(rows_of(database, query)[0].values()))


def test_every_data_test_passes_on_the_full_dump(statuses: dict[str, str]) -> None:
    assert {name for name, status in statuses.items() if status in {"fail", "warn"}} == set()
    assert sum(status == "pass" for status in statuses.values()) >= 16


@pytest.mark.usefixtures("statuses")
def test_no_row_is_lost_rejected_or_repeated(database: Database, dump: list[Row]) -> None:
    counts = rows_of(
        database,
        "select (select count(*) from candidate.stg_kite__instruments) as staged,"
        " (select count(*) from candidate.instruments) as instruments,"
        " (select count(*) from candidate.broker_instruments) as brokers,"
        " (select count(*) from candidate.exp_redis__instruments) as redis,"
        " (select count(*) from candidate.exp_json__token_lookup) as lookup,"
        " (select count(*) from candidate.exp_postgres__instruments) as public,"
        " (select count(*) from candidate.withheld_rows) as withheld,"
        " (select count(*) from candidate.rejected_rows) as rejected,"
        " (select count(*) from candidate.repeated_rows) as repeated",
    )[0]
    total = len(dump)
    assert total == 125_581
    assert counts == {
        "staged": total, "instruments": total, "brokers": total, "redis": total,
        "lookup": total, "public": total - 300, "withheld": 300, "rejected": 0, "repeated": 0,
    }  # fmt: skip


@pytest.mark.usefixtures("statuses")
def test_all_redis_fields_equal_what_python_makes_of_the_dump(
    database: Database, dump: list[Row]
) -> None:
    def number(text: str) -> str:
        return str(float(text)) if float(text) else "0"

    expected = {
        int(row["instrument_token"]): {
            "tradingsymbol": row["tradingsymbol"],
            "exchange": row["exchange"],
            "instrument_type": row["instrument_type"],
            "segment": row["segment"],
            "name": row["name"],
            "expiry": row["expiry"],
            "strike": number(row["strike"]),
            "tick_size": number(row["tick_size"]),
            "lot_size": str(int(row["lot_size"])),
            "exchange_token": str(int(row["exchange_token"])),
        }
        for row in dump
    }
    found = {
        fields.pop("instrument_token"): fields
        for fields in rows_of(database, "select * from candidate.exp_redis__instruments")
    }
    assert len(found) == 125_581
    assert found == expected
    assert {"26450.0", "390.75", "95.875", "0"} <= {row["strike"] for row in found.values()}
    assert {"0.05", "5.0", "0.0025", "0"} <= {row["tick_size"] for row in found.values()}


@pytest.mark.usefixtures("statuses")
def test_all_token_lookups_equal_what_python_makes_of_the_dump(
    database: Database, dump: list[Row]
) -> None:
    expected = {
        int(row["instrument_token"]): (
            row["exchange_token"], row["tradingsymbol"], row["name"], Decimal(0), row["expiry"],
            Decimal(row["strike"]), Decimal(row["tick_size"]), int(row["lot_size"]),
            row["instrument_type"], row["segment"], row["exchange"],
            f"{row['exchange']}:{row['tradingsymbol']}", "zerodha_csv",
        )
        for row in dump
    }  # fmt: skip
    found = {}
    for values in rows_of(database, "select * from candidate.exp_json__token_lookup"):
        token, *rest = values.values()
        found[token] = tuple(rest)
    assert found == expected


@pytest.mark.usefixtures("statuses")
def test_public_rows_equal_the_dump_but_for_strikes_that_do_not_fit(
    database: Database, dump: list[Row]
) -> None:
    filtered = {"NFO-OPT", "NFO-FUT"}
    expected = {
        int(row["instrument_token"]): (
            int(row["exchange_token"]), row["tradingsymbol"], row["name"], row["exchange"],
            row["segment"], row["instrument_type"],
            date.fromisoformat(row["expiry"]) if row["expiry"] else None,
            Decimal(row["strike"]) or None, Decimal(row["tick_size"]), int(row["lot_size"]),
            row["name"] == "NIFTY" and row["segment"] in filtered, "kite",
        )
        for row in dump
        if len(row["strike"].rstrip("0").partition(".")[2]) <= 2
    }  # fmt: skip
    found = {}
    for values in rows_of(database, "select * from candidate.exp_postgres__instruments"):
        token, *rest = values.values()
        found[token] = tuple(rest)
    assert found == expected


@pytest.mark.usefixtures("statuses")
def test_canonical_ids_are_unique_and_spelled_from_terms(
    database: Database, dump: list[Row]
) -> None:
    def spelled(row: Row) -> str:
        if row["segment"] == "INDICES":
            return f"INDEX:{row['tradingsymbol']}"
        if row["instrument_type"] == "EQ":
            return f"{row['exchange']}:{row['tradingsymbol']}"
        prefix = f"{row['exchange']}:{row['name']}:{row['expiry']}"
        if row["instrument_type"] == "FUT":
            return f"{prefix}:FUT"
        strike = format(Decimal(row["strike"]).normalize(), "f")
        return f"{prefix}:{strike}:{row['instrument_type']}"

    found = rows_of(
        database, "select instrument_token, canonical_id from candidate.broker_instruments"
    )
    assert {row["instrument_token"]: row["canonical_id"] for row in found} == {
        int(row["instrument_token"]): spelled(row) for row in dump
    }


@pytest.mark.usefixtures("statuses")
def test_every_symbol_of_a_contract_agrees_with_its_terms(database: Database) -> None:
    found = rows_of(
        database,
        "select symbol_form, is_symbol_agreed, count(*) as rows"
        " from candidate.broker_instruments group by 1, 2",
    )
    assert {(row["symbol_form"], row["is_symbol_agreed"]): row["rows"] for row in found} == {
        ("monthly", True): 89_531,
        ("weekly", True): 12_010,
        ("future", True): 1_048,
        ("weekly_future", True): 88,
        ("plain", None): 22_904,
    }


@pytest.mark.usefixtures("statuses")
def test_the_focus_set_is_258_contracts_around_the_middle_strike(database: Database) -> None:
    found = rows_of(
        database,
        "select underlying, kind, count(*) as rows, min(strike_offset) as low,"
        " max(strike_offset) as high, count(distinct expiry_date) as expiries,"
        " min(reference_price) as price, min(reference_price_source) as source"
        " from candidate.focus_instruments group by 1, 2",
    )
    assert sum(row["rows"] for row in found) == 258
    prices = {"NIFTY": 24600, "BANKNIFTY": 56300, "SENSEX": 77600}
    for row in found:
        is_option = row["kind"] == "option"
        assert row["rows"] == (84 if is_option else 2)
        assert row["expiries"] == 2
        assert (row["low"], row["high"]) == ((-10, 10) if is_option else (None, None))
        assert (row["price"], row["source"]) == (prices[row["underlying"]], "middle_strike")


@pytest.mark.usefixtures("statuses")
def test_the_registrys_focus_rule_over_the_same_listings_gives_the_same_set(
    database: Database,
) -> None:
    listed = rows_of(database, "select canonical_id from candidate.broker_instruments")
    built = rows_of(database, "select canonical_id from candidate.focus_instruments")
    ids = [row["canonical_id"] for row in listed]
    found = focus_set(ids, date(2026, 8, 17), {}, FocusRule())
    assert len(found.ids) == 258
    assert found.ids == {row["canonical_id"] for row in built}


@pytest.mark.usefixtures("statuses")
def test_the_focus_file_lists_the_focus_set(database: Database) -> None:
    document = rows_of(database, "select * from candidate.exp_json__focus_instruments")[0]
    symbols = rows_of(database, "select tradingsymbol from candidate.focus_instruments")
    assert document["symbols"] == sorted(row["tradingsymbol"] for row in symbols)
    assert document["total_symbols"] == 258
    assert document["underlying_indices"] == ["BANKNIFTY", "NIFTY", "SENSEX"]
    assert document["sources"] == {
        "zerodha": {
            "file": "zerodha_csv", "total": 258, "by_type": {"CE": 126, "PE": 126, "FUT": 6},
        }
    }  # fmt: skip


FILTERS = {
    "nifty": [("NIFTY", "NFO")],
    "banknifty": [("BANKNIFTY", "NFO")],
    "sensex": [("SENSEX", "BFO")],
    "nifty,sensex": [("NIFTY", "NFO"), ("SENSEX", "BFO")],
    "finnifty,midcpnifty": [("FINNIFTY", "NFO"), ("MIDCPNIFTY", "NFO")],
}


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize(
    ("filter_text", "count"),
    [
        ("nifty", 1_725),
        ("banknifty", 963),
        ("sensex", 2_401),
        ("nifty,sensex", 4_126),
        ("finnifty,midcpnifty", None),
    ],
)
def test_each_filter_subscribes_to_its_underlyings_in_dump_order(
    dbt: Dbt, database: Database, dump: list[Row], filter_text: str, count: int | None
) -> None:
    set_filter(database, filter_text)
    dbt.build("--select", "active_subscriptions", "exp_dotenv__instruments")
    wanted = [
        int(row["instrument_token"])
        for row in dump
        if any(
            row["name"] == name and row["segment"] in {f"{exchange}-OPT", f"{exchange}-FUT"}
            for name, exchange in FILTERS[filter_text]
        )
    ]
    assert count in {None, len(wanted)}
    line = rows_of(database, "select * from candidate.exp_dotenv__instruments")
    assert line == [
        {"variable": "INSTRUMENTS", "value": ",".join(map(str, wanted)), "tokens": len(wanted)}
    ]
    assert scalar(database, "select count(*) from candidate.active_subscriptions") == len(wanted)


@pytest.mark.parametrize(
    ("name", "as_of", "rows", "contracts"),
    [("2025-11-25_nfo", "2025-11-25", 38_752, 38_752), ("2026-07-30_nse", "2026-07-30", 9_985, 0)],
)
def test_partial_dumps_build_with_every_symbol_agreed(
    dbt: Dbt, database: Database, real_dumps: Path, name: str, as_of: str, rows: int, contracts: int
) -> None:
    land(database, read_dump(real_dumps / "kite" / f"{name}.csv.gz"), as_of=as_of)
    statuses = dbt.build()
    # A dump of one exchange lacks whole underlyings of the focus set: that, and only that.
    troubles = {name for name, status in statuses.items() if status in {"fail", "warn"}}
    assert troubles == {"focus_set_is_whole"}
    counted = rows_of(
        database,
        "select count(*) as rows, count(*) filter (where is_symbol_agreed) as agreed,"
        " count(*) filter (where symbol_form = 'plain') as plain"
        " from candidate.broker_instruments",
    )[0]
    assert counted == {"rows": rows, "agreed": contracts, "plain": rows - contracts}


def test_an_expiry_on_the_as_of_day_is_live_and_one_before_it_is_not(
    dbt: Dbt, database: Database, real_dumps: Path
) -> None:
    dump = read_dump(real_dumps / "kite" / "2025-11-25_nfo.csv.gz")
    query = "select min(expiry_date) as first from candidate.{}"
    for as_of, first in (("2025-11-25", date(2025, 11, 25)), ("2025-11-26", date(2025, 12, 2))):
        land(database, dump, as_of=as_of)
        dbt.build("--select", "+active_subscriptions", "+focus_instruments")
        for table in ("active_subscriptions", "focus_instruments"):
            if table == "focus_instruments":
                found = scalar(database, query.format(table) + " where underlying = 'NIFTY'")
            else:
                found = scalar(
                    database,
                    "select min(b.expiry_date) from candidate.active_subscriptions as a"
                    " inner join candidate.int_kite_instruments__identified as b"
                    " using (instrument_token)",
                )
            assert found == first
