"""What real and hostile dumps do: repeats, rows that do not type, names meant to break things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import Row, contract, land, read_dump, row, small_dump

Database = psycopg.Connection[dict[str, Any]]


def failed(statuses: dict[str, str]) -> set[str]:
    return {name for name, status in statuses.items() if status == "fail"}


def old_dump(rows: list[Row]) -> list[Row]:
    """A dump as older ones were: 36 indices twice, two shares on one token, a repeated symbol."""
    indices = [values for values in rows if values["segment"] == "INDICES"][:36]
    before = [values | {"segment": "NSE-INDICES", "name": ""} for values in indices]
    return [
        *before,
        *rows,
        row(instrument_token="40193", exchange_token="157", tradingsymbol="APOLLOHOSP-X", name=""),
        row(instrument_token="777985", exchange_token="3039", tradingsymbol="RELIANCE",
            name="another share"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def old(dbt: Dbt, database: Database, real_dumps: Path) -> tuple[list[Row], dict[str, str]]:
    rows = old_dump(read_dump(real_dumps / "kite" / "2026-07-30_nse.csv.gz"))
    land(database, rows, as_of="2026-07-30")
    return rows, dbt.build()


@pytest.mark.real_dumps
def test_an_old_dump_is_no_reason_to_stop(old: tuple[list[Row], dict[str, str]]) -> None:
    _, statuses = old
    assert failed(statuses) == set()
    assert statuses["rows_are_not_repeated"] == "warn"


@pytest.mark.real_dumps
def test_repeats_are_kept_by_rule_counted_and_listed(
    old: tuple[list[Row], dict[str, str]], database: Database
) -> None:
    rows, _ = old
    listed = rows_of(database, "select * from candidate.repeated_rows order by line_number")
    tokens = [found for found in listed if found["repeats"] == "token"]
    symbols = [found for found in listed if found["repeats"] == "symbol"]
    assert [found["line_number"] for found in tokens] == [*range(2, 38), len(rows)]
    assert {found["segment"] for found in tokens[:36]} == {"NSE-INDICES"}
    assert [found["line_number"] for found in symbols] == [len(rows) + 1]
    for found in tokens:
        kept = rows[found["kept_line_number"] - 2]
        assert kept["instrument_token"] == str(found["instrument_token"])
        assert kept["segment"] != "NSE-INDICES"
    assert rows[symbols[0]["kept_line_number"] - 2]["name"] == "RELIANCE INDUSTRIES"


@pytest.mark.real_dumps
def test_every_token_stays_and_every_contract_shows_once(
    old: tuple[list[Row], dict[str, str]], database: Database
) -> None:
    rows, _ = old
    counts = rows_of(
        database,
        "select (select count(*) from candidate.broker_instruments) as tokens,"
        " (select count(*) from candidate.exp_redis__instruments) as keys,"
        " (select count(*) from candidate.instruments) as instruments",
    )[0]
    tokens = len({values["instrument_token"] for values in rows})
    assert counts == {"tokens": tokens, "keys": tokens, "instruments": tokens - 1}
    shown = rows_of(
        database, "select name from candidate.instruments where canonical_id = 'NSE:RELIANCE'"
    )
    assert shown == [{"name": "RELIANCE INDUSTRIES"}]


@pytest.mark.real_dumps
def test_the_choice_does_not_hang_on_the_order_of_the_dump(
    dbt: Dbt, database: Database, old: tuple[list[Row], dict[str, str]]
) -> None:
    rows, _ = old
    query = (
        "select instrument_token, segment, name, tradingsymbol from candidate.broker_instruments"
        " order by instrument_token"
    )
    before = rows_of(database, query)
    land(database, reversed(rows), as_of="2026-07-30")
    dbt.build("--select", "+broker_instruments")
    differing = [
        (first, second)
        for first, second in zip(before, rows_of(database, query), strict=True)
        if first != second
    ]
    assert differing == []


HOSTILE = [
    row(instrument_token="4294967297", tradingsymbol="WRAPS"),
    row(instrument_token="x", tradingsymbol="WORD"),
    row(instrument_token="", tradingsymbol="BLANK"),
    row(instrument_token="1", lot_size="-1", tick_size="NaN", tradingsymbol="TWO"),
    row(instrument_token="2", tradingsymbol="A" * 10_000),
    row(instrument_token="3", tradingsymbol="LONGNAME", name="A" * 10_000),
    row(instrument_token="4", tradingsymbol="NEW\nLINE"),
    row(instrument_token="5", tradingsymbol="ESC\x1b[2J"),
    contract("NIFTY", "NFO", "2026-08-25", 9) | {"expiry": "25-08-2026"},
    contract("NIFTY", "NFO", "2026-08-25", 10) | {"expiry": "2026-02-30"},
    contract("NIFTY", "NFO", "2026-08-25", 11, strike="0", instrument_type="CE"),
    contract("NIFTYNXT50", "NFO", "2026-08-25", 12, strike="1e5", instrument_type="CE"),
]
ODD_BUT_GOOD = [
    row(instrument_token="257", exchange_token="1", tradingsymbol="M&M'; drop table x; --"),
    row(instrument_token="513", exchange_token="2", tradingsymbol='A"B{{ x }}', name="Zoë 株式"),
    row(instrument_token="769", exchange_token="3", tradingsymbol="A:B%s\\", name=""),
    row(instrument_token="1025.0", exchange_token="4.0", tradingsymbol="SHEET", lot_size="1.0",
        strike="0.0"),
    row(instrument_token="1281", exchange_token="5", tradingsymbol="A" * 100, name="B" * 255),
]  # fmt: skip


@pytest.fixture(scope="module")
def hostile(dbt: Dbt, database: Database) -> dict[str, str]:
    land(database, [*small_dump(), *HOSTILE, *ODD_BUT_GOOD], as_of="2026-08-17")
    return dbt.build()


def test_rows_that_do_not_type_stop_nothing(hostile: dict[str, str]) -> None:
    assert failed(hostile) == set()
    assert "error" not in hostile.values()
    assert "skipped" not in hostile.values()


@pytest.mark.usefixtures("hostile")
def test_each_is_listed_with_line_column_value_and_reason(database: Database) -> None:
    listed = rows_of(
        database,
        "select line_number, column_name, left(value, 12) as value, reason, is_focus_underlying"
        " from candidate.rejected_rows order by line_number, column_name",
    )
    first = len(small_dump()) + 2
    whole = "is not a whole number of zero or more"
    decimal = "is not a decimal of zero or more with up to 12 digits and 6 decimals"
    day = "is not a calendar day written YYYY-MM-DD"
    beyond = "is beyond 2147483647, the largest 32-bit integer"
    control = "holds a control character"
    expected = [
        (0, "instrument_token", "4294967297", beyond, False),
        (1, "instrument_token", "x", whole, False),
        (2, "instrument_token", "", "is blank", False),
        (3, "lot_size", "-1", whole, False),
        (3, "tick_size", "NaN", decimal, False),
        (4, "tradingsymbol", "A" * 12, "is longer than 100 characters", False),
        (5, "name", "A" * 12, "is longer than 255 characters", False),
        (6, "tradingsymbol", "NEW\nLINE", control, False),
        (7, "tradingsymbol", "ESC\x1b[2J", control, False),
        (8, "expiry", "25-08-2026", day, True),
        (9, "expiry", "2026-02-30", day, True),
        (10, "strike", "0", "is zero or blank on an option", True),
        (11, "strike", "1e5", decimal, False),
    ]
    assert [tuple(found.values()) for found in listed] == [
        (first + number, *rest) for number, *rest in expected
    ]


@pytest.mark.usefixtures("hostile")
def test_odd_but_good_names_arrive_to_the_letter(database: Database) -> None:
    tokens = [int(float(values["instrument_token"])) for values in ODD_BUT_GOOD]
    found = rows_of(
        database,
        "select tradingsymbol, name, lot_size, strike from candidate.exp_redis__instruments"
        " where instrument_token = any(%s) order by instrument_token",
        [tokens],
    )
    assert [(values["tradingsymbol"], values["name"]) for values in found] == [
        (values["tradingsymbol"], values["name"]) for values in ODD_BUT_GOOD
    ]
    assert {(values["lot_size"], values["strike"]) for values in found} == {("1", "0")}


def test_a_wrong_token_fails_its_test_and_names_the_row(dbt: Dbt, database: Database) -> None:
    land(database, [*small_dump(), row(instrument_token="258", exchange_token="1",
                                       tradingsymbol="WRONG")], as_of="2026-08-17")  # fmt: skip
    assert failed(dbt.build()) == {"tokens_end_in_their_segments_byte"}
    listed = rows_of(database, dbt.compiled("tokens_end_in_their_segments_byte"))
    assert [found["tradingsymbol"] for found in listed] == ["WRONG"]


def test_a_symbol_that_disagrees_warns_and_names_the_row(dbt: Dbt, database: Database) -> None:
    wrong = contract("NIFTY", "NFO", "2026-08-25", 9, strike="20000", instrument_type="CE")
    wrong["tradingsymbol"] = "NIFTY2682520000CE"
    land(database, [*small_dump(), wrong], as_of="2026-08-17")
    statuses = dbt.build()
    assert failed(statuses) == set()
    assert statuses["symbols_agree_with_their_terms"] == "warn"
    listed = rows_of(database, dbt.compiled("symbols_agree_with_their_terms"))
    # The weekly form on the last expiry of its month.
    assert [(found["tradingsymbol"], found["symbol_form"]) for found in listed] == [
        ("NIFTY2682520000CE", "weekly")
    ]


def test_an_empty_dump_is_red(dbt: Dbt, database: Database) -> None:
    land(database, [], as_of="2026-08-17")
    assert "landed_rows_are_typed_or_rejected" in failed(dbt.build())
