"""Days put before a history: the same as if they had been published then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from exporters.postgres import put_before
from tests.dbt.conftest import DATABASE, Dbt
from tests.dbt.kite_rows import Row, contract
from tests.dbt.published_days import asked, empty_warehouse, publish_day
from tests.dbt.test_history import DAY_1, DAY_2, DAY_3, STAYS, share
from tests.history_invariants import believed

BESIDE = f"{DATABASE}_beside"
NOW = datetime(2026, 9, 1, 3, tzinfo=UTC)

# What the first days lose comes back, or does not, after the day on which history begins.
EARLIEST = [
    *DAY_1,
    share("AWAY", 30, "AWAY LTD"),
    share("ANOTHER", 31, "ANOTHER LTD"),
    share("SHORT", 33, "SHORT LTD"),
    contract("GAIL", "NFO", "2026-08-18", 40),
]
LATER = [
    *DAY_3,
    # It was AWAY since before history began; ANOTHER's name is given to another share.
    share("AWAY", 30, "AWAY LTD"),
    share("ANOTHER", 32, "NEW LTD"),
    # The number of a contract that expired before history began.
    contract("GAIL", "NFO", "2026-12-29", 40),
]
LAST = [row for row in LATER if row["tradingsymbol"] not in {"AWAY", "TICKS"}]
DAYS: Mapping[date, Sequence[Row]] = {
    date(2026, 8, 17): EARLIEST,
    date(2026, 8, 18): [*DAY_2, contract("GAIL", "NFO", "2026-08-18", 40)],
    date(2026, 8, 19): DAY_3,
    date(2026, 8, 20): [*STAYS, *LATER[len(STAYS) :]],
    date(2026, 8, 21): LAST,
}


def put_aside(server_dsn: str) -> str:
    """Copy the tests' database; nobody may be connected to it."""
    copy, tests = sql.Identifier(BESIDE), sql.Identifier(DATABASE)
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(copy))
        connection.execute(sql.SQL("create database {} template {}").format(copy, tests))
    return make_conninfo(server_dsn, dbname=BESIDE)


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(date(2026, 8, 18), marks=pytest.mark.exhaustive),
        date(2026, 8, 19),
        pytest.param(date(2026, 8, 20), marks=pytest.mark.exhaustive),
        pytest.param(date(2026, 8, 21), marks=pytest.mark.exhaustive),
    ],
)
def test_days_put_before_are_days_that_were_published_then(
    dbt: Dbt, server_dsn: str, first: date
) -> None:
    with empty_warehouse(dbt) as warehouse:
        for day in (day for day in DAYS if day <= first):
            publish_day(dbt, warehouse, DAYS[day], day)
    beside = put_aside(server_dsn)
    with psycopg.connect(dbt.dsn, autocommit=True) as warehouse:
        for day in (day for day in DAYS if day > first):
            publish_day(dbt, warehouse, DAYS[day], day)
        daily = believed(warehouse)
    with empty_warehouse(dbt) as warehouse:
        for day in (day for day in DAYS if day >= first):
            publish_day(dbt, warehouse, DAYS[day], day)
        numbers = asked(warehouse, "select canonical_id, instrument_id from"
                        " history.current_instruments order by 1")  # fmt: skip
        assert believed(warehouse) != daily
        with psycopg.connect(beside) as side:
            put_before(warehouse, side, published_at=NOW)
        assert believed(warehouse) == daily
        assert numbers == asked(warehouse, "select canonical_id, instrument_id from"
                                " history.current_instruments order by 1")  # fmt: skip
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(BESIDE)))
