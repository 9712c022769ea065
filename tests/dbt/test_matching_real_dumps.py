"""Matching on whole real dumps: what is known of them, counted apart from this project.

Matches are held against the raw text of both rows (`raw_terms`), not against what the models made
of it. The pair of one day runs in every test run; the pairs of near days are `exhaustive`: two more
builds of 170,000 and 450,000 rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.broker_dumps import Database, build_dumps
from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.raw_terms import SAME, SAME_UNDERLYING, TERMS, pairs_of

pytestmark = pytest.mark.real_dumps

CONTRACTS = "kind in ('future', 'option')"


def counts(database: Database, broker: str, where: str = "true") -> dict[tuple[str, str], int]:
    """Rows by exchange and status."""
    found = rows_of(
        database,
        "select exchange, match_status, count(*) as rows"
        f" from candidate.int_broker_instruments__matched where broker = '{broker}' and {where}"
        " group by 1, 2",
    )
    return {(row["exchange"], row["match_status"]): row["rows"] for row in found}


def one(database: Database, query: str) -> tuple[Any, ...]:
    (row,) = rows_of(database, query)
    return tuple(row.values())


# --- one day: Kite and Upstox of 2026-08-17 ------------------------------------------------------


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
    # By both dumps' own columns: under one number the same terms, or Upstox has no such number.
    by_number = one(
        same_day,
        f"""
        select
            count(*) filter (where {SAME_UNDERLYING}) as same,
            count(*) filter (where b.token is not null and ({SAME_UNDERLYING}) is not true)
                as other,
            count(*) filter (where b.token is null) as at_kite_alone
        from ({TERMS["kite"]}) as r
        left join ({TERMS["upstox"]}) as b on r.exchange = b.exchange and r.token = b.token
        where r.exchange in ('NFO', 'BFO')
        """,
    )
    assert by_number == (39_522, 0, 419)
    alone = rows_of(
        same_day,
        "select k.underlying, count(*) as rows from candidate.int_kite_instruments__identified as k"
        " left join candidate.int_broker_instruments__matched as m using (canonical_id)"
        " where k.exchange in ('NFO', 'BFO') and m.canonical_id is null group by 1",
    )
    assert {row["underlying"]: row["rows"] for row in alone} == {
        "OBEROIRLTY": 195, "MOTILALOFS": 129, "INOXWIND": 95,
    }  # fmt: skip


def wrong_pairs(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {row["exchange"]: row["wrong"] for row in rows if row["wrong"]}


def test_no_match_of_the_day_is_of_other_terms(same_day: Database) -> None:
    pairs = rows_of(same_day, pairs_of("upstox", "kite"))
    matched = counts(same_day, "upstox", f"{CONTRACTS} and match_status like 'matched%'")
    by_exchange: Counter[str] = Counter()
    for (exchange, _), rows in matched.items():
        by_exchange[exchange] += rows
    assert {row["exchange"]: row["pairs"] for row in pairs} == by_exchange
    assert sum(by_exchange.values()) > 100_000
    assert wrong_pairs(pairs) == {}


RAW_DAMAGES = (
    "underlying_symbol = 'SENSEX50'", "strike_price = '1'", "instrument_type = 'CE'",
    "expiry = (expiry::bigint + 86400000)::text", "segment = 'NSE_FO'",
)  # fmt: skip


def test_a_match_of_other_terms_would_be_seen(same_day: Database) -> None:
    """Of five matched puts a raw text each is changed, under a candidate that is not built anew."""
    for number, damage in enumerate(RAW_DAMAGES):
        changed = same_day.execute(
            f"update staging.upstox_instruments set {damage} where _line_number = ("
            "select line_number from candidate.int_broker_instruments__matched"
            " where exchange = 'BFO' and option_type = 'PE' and underlying = 'SENSEX'"
            f" and match_status = 'matched' order by line_number offset {number} limit 1)"
        )
        assert changed.rowcount == 1
    pairs = same_day.execute(pairs_of("upstox", "kite")).fetchall()
    same_day.rollback()
    assert wrong_pairs(pairs) == {"BFO": 4, "NFO": 1}


def test_shares_match_where_upstox_lists_them_too(same_day: Database) -> None:
    """Of all that both list by symbol, whatever their numbers: Upstox's series is EQ."""
    shares = one(
        same_day,
        """
        select count(*) as listed, count(*) filter (where m.match_status = 'matched') as matched
        from staging.kite_instruments as k
        inner join staging.upstox_instruments as u on k.tradingsymbol = u.trading_symbol
        left join candidate.int_broker_instruments__matched as m
            on m.line_number = u._line_number and m.canonical_id = 'NSE:' || k.tradingsymbol
        where
            k.exchange = 'NSE' and k.segment = 'NSE' and u.segment = 'NSE_EQ'
            and u.instrument_type = 'EQ'
        """,
    )
    assert shares == (2_375, 2_375)


def test_indices_match_by_name_or_alias(same_day: Database) -> None:
    indices = counts(same_day, "upstox", "kind = 'index'")
    assert indices == {
        ("NSE", "matched"): 135, ("NSE", "unmatched"): 4, ("BSE", "matched"): 74,
        ("BSE", "unmatched"): 3, ("GLOBAL", "matched"): 10, ("GLOBAL", "unmatched"): 3,
    }  # fmt: skip


def test_the_one_conflict_of_the_day_is_a_company_that_changed_its_name(
    same_day: Database,
) -> None:
    # VISDEM was KEL twelve days before: one number under two names is nobody's guess.
    conflicts = rows_of(
        same_day,
        "select spelled_id, same_token_id from candidate.int_broker_instruments__matched"
        " where match_status = 'token_conflict'",
    )
    assert conflicts == [{"spelled_id": "NSE:VISDEM-SM", "same_token_id": "NSE:KEL-SM"}]


# --- near days: Upstox's CSV and Dhan, five days apart -------------------------------------------


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


@pytest.mark.exhaustive
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
    both = one(
        near_days,
        "select count(*) as listed,"
        " count(*) filter (where d.match_status like 'matched%') as matched"
        " from candidate.int_broker_instruments__matched as d"
        " inner join candidate.int_broker_instruments__identified as u"
        " on u.broker = 'upstox' and u.spelled_id = d.spelled_id"
        f" where d.broker = 'dhan' and d.{CONTRACTS}",
    )
    assert both[0] > 120_000
    assert both[1] >= 0.98 * both[0]


@pytest.mark.exhaustive
def test_no_match_of_near_days_is_of_other_terms(near_days: Database) -> None:
    # Upstox's CSV has no column for the underlying: the rest of the terms, and the number; where
    # that is not listed, a symbol that begins with Dhan's underlying.
    same = f"{SAME} and (b.token = r.token or starts_with(r.symbol, b.underlying))"
    pairs = rows_of(near_days, pairs_of("dhan", "upstox_csv", same=same))
    matched = counts(near_days, "dhan", f"{CONTRACTS} and match_status like 'matched%'")
    by_exchange: Counter[str] = Counter()
    for (exchange, _), rows in matched.items():
        by_exchange[exchange] += rows
    assert {row["exchange"]: row["pairs"] for row in pairs} == by_exchange
    assert by_exchange["NFO"] > 43_659
    assert wrong_pairs(pairs) == {}


@pytest.mark.exhaustive
def test_shares_match_though_the_csv_does_not_tell_their_series(near_days: Database) -> None:
    shares = counts(near_days, "dhan", "kind = 'cash'")
    assert shares["NSE", "matched"] == 8_739
    assert shares["BSE", "matched"] == 12_491
    assert shares["NSE", "token_conflict"] + shares["BSE", "token_conflict"] == 5


# --- an expiry apart: Angel One of October and Kite of November ----------------------------------

# The terms that both list, by what their numbers say, counted over the raw columns.
BALANCE = f"""
with kite as materialized ({TERMS["kite"]}),

angel_one as materialized ({TERMS["angel_one"]} and to_date(expiry, 'DDMONYYYY') >= '2025-11-25'),

in_both as (
    select
        b.line,
        case
            when b.token = r.token then 'same number'
            when n.token is null then 'number not at Kite'
            when (n.underlying, n.expiry, n.type) = (b.underlying, b.expiry, b.type)
                and n.strike <> b.strike then 'number of another strike'
            else 'number of another contract'
        end as numbers
    from angel_one as b
    inner join kite as r on {SAME_UNDERLYING}
    left join kite as n on b.token = n.token
)

select in_both.numbers, m.match_status, count(*) as rows
from in_both
inner join candidate.int_broker_instruments__matched as m
    on m.broker = 'angel_one' and in_both.line = m.line_number
group by 1, 2
"""

# Each number that both have, of other terms: how its strike moved, by underlying.
ADJUSTED = f"""
with moved as (
    select b.underlying, b.strike as old, r.strike as new,
        sum(r.strike) over underlyings / sum(b.strike) over underlyings as factor,
        r.strike - b.strike as step,
        (r.underlying, r.expiry, r.type) = (b.underlying, b.expiry, b.type) as is_same_else
    from ({TERMS["angel_one"]}) as b
    inner join ({TERMS["kite"]}) as r using (token)
    where b.expiry >= '2025-11-25' and ({SAME_UNDERLYING}) is not true
    window underlyings as (partition by b.underlying)
)

select
    underlying, count(*) as rows, bool_and(is_same_else) as is_same_else,
    count(distinct step) = 1 or max(abs(new - old * factor)) <= 0.05 as is_one_adjustment
from moved
group by 1
order by 1
"""


@pytest.fixture(scope="module")
def an_expiry_apart(
    dbt: Dbt, database: Database, real_dumps: Path, tmp_path_factory: pytest.TempPathFactory
) -> Database:
    dump = real_dumps / "angel_one" / "2025-10-28_OpenAPIScripMaster.json.gz"
    build_dumps(
        dbt,
        database,
        {
            "kite": (real_dumps / "kite" / "2025-11-25_nfo.csv.gz", "2025-11-25"),
            "angel_one": (dump, "2025-10-28"),
        },
        as_of="2025-11-25",
        work=tmp_path_factory.mktemp("an_expiry_apart"),
    )
    return database


@pytest.mark.exhaustive
def test_the_whole_balance_of_angel_one_and_kite(an_expiry_apart: Database) -> None:
    """20,799 contracts have their terms in both files: 97.9 % are matched, and why not the rest."""
    found = rows_of(an_expiry_apart, BALANCE)
    balance = {(row["numbers"], row["match_status"]): row["rows"] for row in found}
    assert balance == {
        ("same number", "matched"): 20_353,
        ("number not at Kite", "matched_terms_only"): 9,
        # The exchange says by its number that the terms are another contract's by now.
        ("number of another strike", "token_conflict"): 437,
    }
    assert sum(balance.values()) == 20_799
    assert (20_353 + 9) / 20_799 > 0.978
    found_here = counts(an_expiry_apart, "angel_one", "exchange = 'NFO'")
    assert found_here["NFO", "matched"] == 20_353
    assert found_here["NFO", "matched_terms_only"] == 9
    # 51 more are of a strike that Kite does not list at all.
    assert found_here["NFO", "token_conflict"] == 437 + 51


@pytest.mark.exhaustive
def test_every_conflict_is_one_of_five_adjustments(an_expiry_apart: Database) -> None:
    """Under one number another strike, moved by one step or one factor for a whole underlying."""
    found = rows_of(an_expiry_apart, ADJUSTED)
    assert [row["underlying"] for row in found] == [
        "ADANIENT", "BPCL", "COALINDIA", "ONGC", "PETRONET",
    ]  # fmt: skip
    assert all(row["is_same_else"] and row["is_one_adjustment"] for row in found)
    assert sum(row["rows"] for row in found) == 488
    conflicts = rows_of(
        an_expiry_apart,
        "select distinct underlying from candidate.int_broker_instruments__matched"
        " where match_status = 'token_conflict' order by 1",
    )
    assert [row["underlying"] for row in conflicts] == [row["underlying"] for row in found]


@pytest.mark.exhaustive
def test_no_match_of_angel_one_is_of_other_terms(an_expiry_apart: Database) -> None:
    (pairs,) = rows_of(an_expiry_apart, pairs_of("angel_one", "kite"))
    assert (pairs["exchange"], pairs["pairs"], pairs["wrong"]) == ("NFO", 20_362, 0)
