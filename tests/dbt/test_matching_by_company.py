"""Shares of whole real dumps that the exchange gave another number, half a year apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dbt.broker_dumps import Database, build_dumps
from tests.dbt.conftest import Dbt, rows_of

pytestmark = pytest.mark.real_dumps


@pytest.fixture(scope="module")
def half_a_year_apart(
    dbt: Dbt, database: Database, real_dumps: Path, tmp_path_factory: pytest.TempPathFactory
) -> Database:
    build_dumps(
        dbt,
        database,
        {
            "kite": (real_dumps / "kite" / "2026-08-17_instruments.csv.gz", "2026-08-17"),
            "dhan": (real_dumps / "dhan" / "2026-02-10_api-scrip-master.csv.gz", "2026-02-10"),
        },
        as_of="2026-08-17",
        work=tmp_path_factory.mktemp("half_a_year_apart"),
    )
    return database


@pytest.mark.exhaustive
def test_a_share_under_another_number_is_matched_by_its_company(
    half_a_year_apart: Database,
) -> None:
    """Nine companies of BSE moved to its main board, and to other numbers, meanwhile."""
    found = rows_of(
        half_a_year_apart,
        "select m.underlying, m.match_status"
        " from candidate.int_broker_instruments__matched as m"
        " inner join candidate.int_kite_instruments__identified as k"
        " on m.spelled_id = k.canonical_id"
        " where m.kind = 'cash' and m.exchange_token <> k.exchange_token"
        " and m.same_token_id is null order by 1",
    )
    by_status: dict[str, list[str]] = {}
    for row in found:
        by_status.setdefault(row["match_status"], []).append(row["underlying"])
    assert by_status == {
        "matched_terms_only": ["AARVI", "E2E", "KOTYARK", "MWL", "SOLEX", "SWARAJ"],
        # Of these the name is cut or shortened: nobody can tell, so nobody guesses.
        "token_conflict": ["BSHSL", "ONEPOINT", "UNITEDPOLY"],
    }
