"""Matching on whole real dumps: what is known of them, counted apart from this project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dbt.broker_dumps import Database, build_dumps
from tests.dbt.conftest import Dbt, rows_of

pytestmark = [pytest.mark.real_dumps, pytest.mark.exhaustive]


def counts(database: Database, broker: str, where: str = "true") -> dict[tuple[str, str], int]:
    """Rows by exchange and status."""
    found = rows_of(
        database,
        "select exchange, match_status, count(*) as rows"
        f" from candidate.int_broker_instruments__matched where broker = '{broker}' and {where}"
        " group by 1, 2",
    )
    return {(row["exchange"], row["match_status"]): row["rows"] for row in found}


# Another way to the same answer: plain joins on terms and on numbers, over the staged rows.
WRONG = """
    select count(*) as rows
    from candidate.int_broker_instruments__matched as m
    inner join candidate.{other} as o on o.{key} = m.canonical_id
    where
        m.broker = '{broker}' and m.kind in ('future', 'option')
        and m.match_status in ('matched', 'matched_terms_only')
        and (
            o.exchange <> m.exchange or o.kind <> m.kind or o.underlying <> m.underlying
            or o.expiry_date <> m.expiry_date or o.strike is distinct from m.strike
            or o.option_type is distinct from m.option_type
        )
"""


def wrong_matches(database: Database, broker: str, other: str, key: str) -> int:
    query = WRONG.format(broker=broker, other=other, key=key)
    return int(rows_of(database, query)[0]["rows"])


CONTRACTS = "kind in ('future', 'option')"


@pytest.fixture(scope="module")
def same_day(
    dbt: Dbt, database: Database, real_dumps: Path, tmp_path_factory: pytest.TempPathFactory
) -> Database:
    build_dumps(
        dbt,
        database,
        {
            "kite": (real_dumps / "kite" / "2026-08-17_instruments.csv.gz", "2026-08-17"),
            "upstox": (real_dumps / "upstox" / "2026-08-17_complete.json.gz", "2026-08-17"),
        },
        as_of="2026-08-17",
        work=tmp_path_factory.mktemp("same_day"),
    )
    return database


def test_every_upstox_contract_of_the_day_is_kites(same_day: Database) -> None:
    found = counts(same_day, "upstox", f"{CONTRACTS} and exchange in ('NFO', 'BFO')")
    assert found == {("NFO", "matched"): 35_264, ("BFO", "matched"): 4_258}
    assert sum(found.values()) == 39_522
    alone = rows_of(
        same_day,
        "select k.underlying, count(*) as rows from candidate.int_kite_instruments__identified as k"
        " left join candidate.int_broker_instruments__matched as m using (canonical_id)"
        " where k.exchange in ('NFO', 'BFO') and m.canonical_id is null group by 1",
    )
    assert {row["underlying"]: row["rows"] for row in alone} == {
        "OBEROIRLTY": 195, "MOTILALOFS": 129, "INOXWIND": 95,
    }  # fmt: skip
    key = "canonical_id"
    assert wrong_matches(same_day, "upstox", "int_kite_instruments__identified", key) == 0


def test_shares_and_indices_match_where_kite_lists_them(same_day: Database) -> None:
    shares = rows_of(
        same_day,
        "select count(*) as listed, count(*) filter (where m.canonical_id = k.canonical_id and"
        " m.match_status = 'matched') as matched from candidate.int_kite_instruments__identified"
        " as k inner join candidate.int_broker_instruments__matched as m"
        " on m.exchange = k.exchange and m.kind = 'cash' and m.exchange_token = k.exchange_token"
        " where k.exchange = 'NSE' and k.kind = 'cash' and m.series = 'EQ'",
    )[0]
    assert shares["listed"] > 2_000
    assert shares["matched"] >= 0.99 * shares["listed"]
    indices = counts(same_day, "upstox", "kind = 'index'")
    assert indices == {
        ("NSE", "matched"): 135, ("NSE", "unmatched"): 4, ("BSE", "matched"): 74,
        ("BSE", "unmatched"): 3, ("GLOBAL", "matched"): 10, ("GLOBAL", "unmatched"): 3,
    }  # fmt: skip
    # VISDEM was KEL twelve days before: one number under two names is nobody's guess.
    conflicts = rows_of(
        same_day,
        "select spelled_id, same_token_id from candidate.int_broker_instruments__matched"
        " where match_status = 'token_conflict'",
    )
    assert conflicts == [{"spelled_id": "NSE:VISDEM-SM", "same_token_id": "NSE:KEL-SM"}]


@pytest.fixture(scope="module")
def near_days(
    dbt: Dbt, database: Database, real_dumps: Path, tmp_path_factory: pytest.TempPathFactory
) -> Database:
    build_dumps(
        dbt,
        database,
        {
            "upstox": (real_dumps / "upstox" / "2026-02-05_complete.csv.gz", "2026-02-05"),
            "dhan": (real_dumps / "dhan" / "2026-02-10_api-scrip-master.csv.gz", "2026-02-10"),
        },
        as_of="2026-02-10",
        work=tmp_path_factory.mktemp("near_days"),
    )
    return database


def test_dhan_matches_upstox_of_five_days_before(near_days: Database) -> None:
    found = counts(near_days, "dhan", CONTRACTS)
    # By exchange token: NFO 43,659 of 43,901 the same; the others were adjusted meanwhile.
    assert found["NFO", "matched"] == 43_659
    assert found["NFO", "token_conflict"] == 242
    assert found["BFO", "matched"] == 5_457
    assert found["MCX", "matched"] == 34_067
    assert found["NCO", "matched"] == 44_206
    # The other tokens of CDS were those of contracts that had expired.
    assert found["CDS", "matched"] == 8
    assert ("MCX", "token_conflict") not in found
    assert wrong_matches(near_days, "dhan", "int_broker_instruments__identified", "spelled_id") == 0
    both = rows_of(
        near_days,
        "select count(*) as rows, count(*) filter (where d.match_status like 'matched%') as matched"
        " from candidate.int_broker_instruments__matched as d"
        " inner join candidate.int_broker_instruments__identified as u"
        " on u.broker = 'upstox' and u.spelled_id = d.spelled_id"
        f" where d.broker = 'dhan' and d.{CONTRACTS}",
    )[0]
    assert both["rows"] > 120_000
    assert both["matched"] >= 0.98 * both["rows"]


def test_shares_match_though_the_csv_does_not_tell_their_series(near_days: Database) -> None:
    shares = counts(near_days, "dhan", "kind = 'cash'")
    assert shares["NSE", "matched"] == 8_739
    assert shares["BSE", "matched"] == 12_491
    assert shares["NSE", "token_conflict"] + shares["BSE", "token_conflict"] == 5


def test_angel_one_matches_kite_of_a_month_later(
    dbt: Dbt, database: Database, real_dumps: Path, tmp_path: Path
) -> None:
    dump = real_dumps / "angel_one" / "2025-10-28_OpenAPIScripMaster.json.gz"
    build_dumps(
        dbt,
        database,
        {
            "kite": (real_dumps / "kite" / "2025-11-25_nfo.csv.gz", "2025-11-25"),
            "angel_one": (dump, "2025-10-28"),
        },
        as_of="2025-11-25",
        work=tmp_path,
    )
    found = counts(database, "angel_one", "exchange = 'NFO'")
    assert found["NFO", "matched"] == 20_353
    assert found["NFO", "matched_terms_only"] == 9
    assert found["NFO", "token_conflict"] == 488
    adjusted = rows_of(
        database,
        "select distinct underlying from candidate.int_broker_instruments__matched"
        " where match_status = 'token_conflict' order by 1",
    )
    # Each paid a dividend that moved its strikes.
    assert [row["underlying"] for row in adjusted] == [
        "ADANIENT", "BPCL", "COALINDIA", "ONGC", "PETRONET",
    ]  # fmt: skip
    key = "canonical_id"
    assert wrong_matches(database, "angel_one", "int_kite_instruments__identified", key) == 0
    both = rows_of(
        database,
        "select count(*) as rows, count(*) filter (where m.match_status like 'matched%') as matched"
        " from candidate.int_broker_instruments__matched as m"
        " inner join candidate.int_kite_instruments__identified as k"
        " on k.canonical_id = m.spelled_id"
        " and (k.exchange_token = m.exchange_token or m.match_status <> 'token_conflict')"
        " where m.broker = 'angel_one'",
    )[0]
    assert both["matched"] == both["rows"] == 20_362
