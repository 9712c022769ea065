"""A build over what is published: what changed, told by contract."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import contract, land, publish, read_dump, row, small_dump

Database = psycopg.Connection[dict[str, Any]]

PUBLISHED = ["broker_instruments", "active_subscriptions"]
CHANGES = (
    "select change, tradingsymbol, old_value, new_value, is_active"
    " from candidate.instrument_changes order by change, tradingsymbol"
)


def changes(database: Database) -> list[tuple[Any, ...]]:
    return [tuple(found.values()) for found in rows_of(database, CHANGES)]


@pytest.mark.real_dumps
def test_six_days_at_the_nse_are_listings_delistings_two_series_changes_and_a_rename(
    dbt: Dbt, database: Database, real_dumps: Path
) -> None:
    land(database, read_dump(real_dumps / "kite" / "2026-07-30_nse.csv.gz"), as_of="2026-07-30")
    dbt.build()
    assert changes(database) == []
    publish(database, PUBLISHED)
    full = read_dump(real_dumps / "kite" / "2026-08-17_instruments.csv.gz")
    land(database, [values for values in full if values["exchange"] == "NSE"], as_of="2026-08-05")
    dbt.build()
    found = changes(database)
    counts = Counter(change for change, *_ in found)
    assert (counts["listed"], counts["delisted"], counts["expired"]) == (9, 24, 0)
    renames = [rest for change, *rest in found if change in {"symbol_changed", "name_changed"}]
    assert renames == [
        ["ASTERDM", "ASTER DM HEALTHCARE", "ASTER DM QUALITY CARE", False],
        # From series EQ to BE: another symbol and another token, the same company.
        ["PIONRINV-BE", "PIONRINV", "PIONRINV-BE", False],
        ["RMDRIP-BE", "RMDRIP", "RMDRIP-BE", False],
    ]
    assert counts["token_changed"] == 2


def test_each_kind_of_change_is_told_once(dbt: Dbt, database: Database) -> None:
    old = [
        contract("NIFTY", "NFO", "2026-08-18", 1),
        contract("HINDPETRO", "NFO", "2026-08-25", 2, strike="410", instrument_type="CE"),
        contract("NIFTY", "NFO", "2026-10-27", 3, lot_size="75"),
        contract("GAIL", "NFO", "2026-08-25", 4),
        row(instrument_token="2561", exchange_token="10", tradingsymbol="ITDCEM"),
        row(instrument_token="2817", exchange_token="11", tradingsymbol="MOVES"),
        row(instrument_token="3073", exchange_token="12", tradingsymbol="TICKS"),
    ]
    land(database, [*small_dump(), *old], as_of="2026-08-17")
    dbt.build()
    publish(database, PUBLISHED)
    new = [
        contract("NIFTY", "NFO", "2026-12-29", 1),
        contract("HINDPETRO", "NFO", "2026-08-25", 2, strike="390.75", instrument_type="CE"),
        contract("NIFTY", "NFO", "2026-10-27", 3, lot_size="65"),
        row(instrument_token="2561", exchange_token="10", tradingsymbol="CEMPRO"),
        row(instrument_token="2561025", exchange_token="10004", tradingsymbol="MOVES"),
        row(instrument_token="3073", exchange_token="12", tradingsymbol="TICKS", tick_size="0.05"),
    ]
    land(database, [*small_dump(), *new], as_of="2026-08-19")
    statuses = dbt.build()
    assert {name for name, status in statuses.items() if status == "fail"} == set()
    strikes = ("HINDPETRO26AUG390.75CE", "HINDPETRO26AUG410CE")
    assert changes(database) == [
        ("delisted", "GAIL26AUGFUT", "GAIL26AUGFUT", None, False),
        ("expired", "NIFTY26AUGFUT", "NIFTY26AUGFUT", None, True),
        ("listed", "NIFTY26DECFUT", None, "NIFTY26DECFUT", True),
        ("lot_changed", "NIFTY26OCTFUT", "75", "65", True),
        ("strike_changed", strikes[0], "410", "390.75", False),
        ("symbol_changed", "CEMPRO", "ITDCEM", "CEMPRO", False),
        ("symbol_changed", strikes[0], strikes[1], strikes[0], False),
        ("tick_changed", "TICKS", "0.1", "0.05", False),
        ("token_changed", "MOVES", "2817", "2561025", False),
    ]


def test_the_same_dump_again_changes_nothing(dbt: Dbt, database: Database) -> None:
    land(database, small_dump(), as_of="2026-08-17")
    dbt.build()
    publish(database, PUBLISHED)
    dbt.build()
    assert changes(database) == []


def test_a_publication_of_an_older_shape_can_still_be_compared(
    dbt: Dbt, database: Database
) -> None:
    """An upgrade may add a column that what is published does not have yet."""
    land(database, small_dump(), as_of="2026-08-17")
    dbt.build()
    publish(database, PUBLISHED)
    database.execute("alter table marts.broker_instruments drop column lot_size")
    database.commit()
    statuses = dbt.build()
    assert "error" not in statuses.values()
    assert {change for change, *_ in changes(database)} == {"lot_changed"}


def test_building_again_writes_the_same_candidate(dbt: Dbt, database: Database) -> None:
    queries = [
        f"select md5(string_agg(rows::text, '|' order by rows::text)) as sum"
        f" from candidate.{table} as rows"
        for table in ("instruments", "broker_instruments", "focus_instruments",
                      "active_subscriptions", "exp_redis__instruments")
    ]  # fmt: skip
    dbt.build()
    first = [rows_of(database, query) for query in queries]
    dbt.build()
    assert [rows_of(database, query) for query in queries] == first
