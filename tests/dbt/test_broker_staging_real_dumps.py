"""The brokers' real dumps: nothing lost, and the same contracts in the same terms everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.dbt.broker_dumps import land_dump
from tests.dbt.conftest import Dbt, rows_of

pytestmark = [pytest.mark.real_dumps, pytest.mark.exhaustive]

Database = psycopg.Connection[dict[str, Any]]

# What is kept of each, under a name of its own: feed, file and rows.
DUMPS = {
    "kite": ("kite", "kite/2026-08-17_instruments.csv.gz", 125_581),
    "kite_nfo": ("kite", "kite/2025-11-25_nfo.csv.gz", 38_752),
    "angel_one": ("angel_one", "angel_one/2025-10-28_OpenAPIScripMaster.json.gz", 160_161),
    "dhan": ("dhan", "dhan/2026-02-10_api-scrip-master.csv.gz", 273_027),
    "upstox_csv": ("upstox", "upstox/2026-02-05_complete.csv.gz", 204_218),
    "upstox_json": ("upstox", "upstox/2026-08-17_complete.json.gz", 125_004),
}
BROKERS = [name for name in DUMPS if not name.startswith("kite")]


@pytest.fixture(scope="module")
def seconds(
    dbt_of_every_feed: Dbt,
    database: Database,
    real_dumps: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, float]:
    """Each dump, staged and kept in the schema `dev_tests`; how long its model took."""
    database.execute("create schema dev_tests")
    database.commit()
    taken = {}
    for name, (feed, path, rows) in DUMPS.items():
        landed = land_dump(
            database, feed, real_dumps / path, as_of=Path(path).name[:10],
            landing=tmp_path_factory.mktemp("landing"),
        )  # fmt: skip
        assert landed == rows
        model = f"stg_{feed}__instruments"
        outcome = dbt_of_every_feed.run(
            "build", "--exclude-resource-type", "unit_test", "--select",
            "stg_warehouse__build_feeds", model,
        )  # fmt: skip
        for result in outcome.result.results:
            assert str(result.status) in {"success", "pass"}, result.message
            if result.node.name == model:
                taken[name] = result.execution_time
        database.execute(f"create table dev_tests.{name} as table candidate.{model}")
        database.execute(f"analyze dev_tests.{name}")
        database.commit()
    # Kite in the same words: what it trades, as far as the terms go.
    for name in ("kite", "kite_nfo"):
        database.execute(
            f"create view dev_tests.{name}_terms as select exchange, exchange_token,"
            " instrument_type, nullif(strike, 0) as strike, expiry_date, lot_size, tick_size_inr,"
            " case when instrument_type = 'EQ' then tradingsymbol else name end as underlying"
            f" from dev_tests.{name} where segment <> 'INDICES'"
        )
    for name in BROKERS:
        database.execute(
            f"create view dev_tests.{name}_terms as select exchange, exchange_token,"
            " instrument_type, strike, expiry_date, lot_size, tick_size_inr, underlying, exclusion"
            f" from dev_tests.{name} where kind <> 'index'"
        )
    database.execute("alter database dbt_project_tests set statement_timeout = '60s'")
    database.execute("set statement_timeout = '60s'")
    database.commit()
    return taken


@pytest.fixture
def staged(seconds: dict[str, float], database: Database) -> Database:
    return database


def compared(database: Database, first: str, second: str) -> dict[str, dict[str, int]]:
    """By exchange, rows with one exchange token in both dumps, and how many differ in what."""
    found = rows_of(
        database,
        f"""
        select
            a.exchange,
            count(*)::integer as common,
            count(*) filter (
                where (a.instrument_type, a.strike, a.expiry_date)
                is not distinct from (b.instrument_type, b.strike, b.expiry_date)
            )::integer as same_terms,
            count(*) filter (where a.underlying is distinct from b.underlying)::integer
                as underlying,
            count(*) filter (where a.lot_size is distinct from b.lot_size)::integer as lot,
            count(*) filter (where a.tick_size_inr is distinct from b.tick_size_inr)::integer
                as tick
        from dev_tests.{first}_terms as a
        inner join dev_tests.{second}_terms as b using (exchange, exchange_token)
        group by a.exchange
        """,
    )
    return {values.pop("exchange"): values for values in found}


def counts(common: int, same: int, underlying: int, lot: int, tick: int) -> dict[str, int]:
    return {
        "common": common, "same_terms": same, "underlying": underlying, "lot": lot, "tick": tick,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "exclusions"),
    [
        ("angel_one", {None: 160_108, "test symbol": 45, "placeholder": 8}),
        # The expired ones are all of CDS and BCD.
        ("dhan", {None: 250_634, "expired": 22_352, "test symbol": 41}),
        ("upstox_csv", {None: 204_218}),
        ("upstox_json", {None: 125_004}),
    ],
)
def test_every_row_types_and_exclusions_are_counted(
    staged: Database, name: str, exclusions: dict[str | None, int]
) -> None:
    found = rows_of(
        staged,
        "select is_typed, exclusion, count(*) as rows,"
        f" count(*) filter (where rejections <> '[]') as rejected from dev_tests.{name}"
        " group by is_typed, exclusion",
    )
    assert {row["exclusion"]: row["rows"] for row in found} == exclusions
    assert {(row["is_typed"], row["rejected"]) for row in found} == {(True, 0)}
    assert sum(exclusions.values()) == DUMPS[name][2]


@pytest.mark.parametrize("name", BROKERS)
def test_brokers_tokens_are_unique_within_an_exchange(staged: Database, name: str) -> None:
    repeated = rows_of(
        staged,
        f"select exchange, broker_token, count(*) from dev_tests.{name}"
        " group by exchange, broker_token having count(*) > 1 limit 5",
    )
    assert repeated == []


@pytest.mark.parametrize("name", BROKERS)
def test_every_row_is_whole_for_its_kind(staged: Database, name: str) -> None:
    lacking = rows_of(
        staged,
        f"""
        select line_number, tradingsymbol from dev_tests.{name}
        where
            underlying is null
            or (kind in ('future', 'option')) <> (expiry_date is not null)
            or (kind = 'option') <> (strike is not null)
            or (kind = 'option') <> (option_type is not null)
            or (kind = 'option' and instrument_type <> option_type)
            or (kind <> 'index' and tick_size_inr is null)
            or (kind <> 'index' and lot_size is null and exclusion is null)
            or (kind = 'index' and (tick_size_inr is not null or lot_size is not null))
        limit 5
        """,
    )
    assert lacking == []


def test_upstox_json_and_kite_of_one_day_agree_on_every_term(staged: Database) -> None:
    """NFO, BFO and NSE are Kite's own rows; the others of that file are respelled real contracts.

    Of NSE, Kite's rows are twelve days older: a rename, two lots and some ticks have changed.
    """
    assert compared(staged, "kite", "upstox_json") == {
        "NFO": counts(35_264, 35_264, 0, 0, 0),
        "BFO": counts(4_258, 4_258, 0, 0, 0),
        "CDS": counts(8_764, 8_764, 0, 0, 0),
        "BCD": counts(9_226, 9_226, 0, 0, 0),
        "MCX": counts(16_699, 16_699, 0, 0, 0),
        "NCO": counts(28_075, 28_075, 0, 0, 0),
        "BSE": counts(12_822, 12_822, 0, 0, 0),
        "NSE": counts(9_235, 9_235, 1, 2, 93),
    }


def test_contracts_that_upstox_lacks_are_those_of_three_underlyings(staged: Database) -> None:
    found = rows_of(
        staged,
        "select a.underlying, count(*) as rows from dev_tests.kite_terms as a"
        " left join dev_tests.upstox_json_terms as b"
        " using (exchange, underlying, instrument_type, expiry_date, exchange_token)"
        " where a.exchange in ('NFO', 'BFO') and b.exchange is null group by a.underlying",
    )
    assert {row["underlying"]: row["rows"] for row in found} == {
        "OBEROIRLTY": 195, "MOTILALOFS": 129, "INOXWIND": 95,
    }  # fmt: skip


def test_upstox_csv_and_dhan_five_days_later_are_as_was_counted_without_us(
    staged: Database,
) -> None:
    """What differs is real: tokens that name another contract, lots that Dhan does not give.

    NSE's underlyings differ where the CSV, which has no series, cannot say `-SG`.
    """
    assert compared(staged, "upstox_csv", "dhan") == {
        "NFO": counts(43_901, 43_659, 0, 0, 0),
        "BFO": counts(5_457, 5_457, 0, 0, 0),
        "NSE": counts(8_750, 8_750, 6_345, 1, 0),
        "BSE": counts(12_495, 12_495, 4, 0, 0),
        "MCX": counts(34_067, 34_067, 0, 26_073, 0),
        "NCO": counts(44_209, 44_206, 3, 0, 3),
        "CDS": counts(7_378, 8, 4_864, 0, 1_160),
        "BCD": counts(1_147, 0, 928, 0, 131),
    }


def test_no_expired_row_of_dhan_is_the_contract_of_its_token(staged: Database) -> None:
    found = rows_of(
        staged,
        "select count(*) as rows, count(*) filter (where a.expiry_date = b.expiry_date) as same"
        " from dev_tests.dhan_terms as a inner join dev_tests.upstox_csv_terms as b"
        " using (exchange, exchange_token) where a.exclusion = 'expired'",
    )
    assert found == [{"rows": 6_338 + 1_147, "same": 0}]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        # Four weeks on: five underlyings with adjusted strikes, 36 with another tick.
        ("kite_nfo", {"NFO": (488, 2_738)}),
        ("upstox_csv", {"NFO": (0, 0), "BFO": (0, 0), "CDS": (0, 0), "MCX": (0, 0), "NCO": (0, 0)}),
    ],
)
def test_angel_ones_units_are_right_on_every_exchange(
    staged: Database, other: str, expected: dict[str, tuple[int, int]]
) -> None:
    """A unit that is wrong by a power of ten leaves no strike, or no tick, in common.

    Contracts of one underlying, expiry, type and exchange token are the same but for strikes
    that a corporate action moved, by a few percent, and ticks that the exchange changed.
    """
    found = rows_of(
        staged,
        f"""
        select
            a.exchange,
            count(*) as rows,
            count(*) filter (where a.strike is distinct from b.strike) as strike,
            count(*) filter (where abs(a.strike / b.strike - 1) > 0.05) as far,
            count(*) filter (where a.tick_size_inr is distinct from b.tick_size_inr) as tick
        from dev_tests.angel_one_terms as a
        inner join dev_tests.{other}_terms as b
            using (exchange, underlying, expiry_date, instrument_type, exchange_token)
        where a.instrument_type in ('FUT', 'CE', 'PE')
        group by a.exchange
        """,
    )
    assert {row["exchange"]: (row["strike"], row["tick"]) for row in found} == expected
    assert all(row["rows"] >= 200 and row["far"] == 0 for row in found)


def test_staging_takes_seconds_not_minutes(seconds: dict[str, float]) -> None:
    """About 1.5 s each on an idle machine of two cores; a copied expression costs many times it."""
    assert {name for name, taken in seconds.items() if taken > 20} == set()
