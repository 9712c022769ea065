from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from warehouse.fingerprint import fingerprint, project_digest

FACTS: dict[str, Any] = {
    "dumps": {"kite": "a" * 64},
    "as_of_date": date(2026, 8, 17),
    "filter_text": "nifty",
    "reference_prices": {"NIFTY": Decimal("24500.5")},
    "project": "p",
}


def test_the_same_facts_give_the_same_fingerprint() -> None:
    assert fingerprint(**FACTS) == fingerprint(**FACTS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dumps", {"kite": "b" * 64}),
        ("dumps", {"kite": "a" * 64, "dhan": "b" * 64}),
        ("as_of_date", date(2026, 8, 18)),
        ("filter_text", "nifty,sensex"),
        ("reference_prices", {"NIFTY": Decimal(24501)}),
        ("reference_prices", {}),
        ("project", "q"),
    ],
)
def test_each_fact_counts(name: str, value: object) -> None:
    assert fingerprint(**{**FACTS, name: value}) != fingerprint(**FACTS)


def test_an_edited_model_or_seed_counts_and_dbts_own_files_do_not(
    tmp_path: Path, project: Path
) -> None:
    copy = tmp_path / "dbt_project"
    shutil.copytree(project / "dbt_project", copy)
    before = project_digest(copy)
    (copy / "target").mkdir(exist_ok=True)
    (copy / "target" / "made_by_dbt.sql").write_text("select 1")
    assert project_digest(copy) == before
    seed = copy / "seeds" / "focus_underlyings.csv"
    text = seed.read_bytes()
    seed.write_bytes(text + b"\n")
    assert project_digest(copy) != before
    seed.write_bytes(text)
    assert project_digest(copy) == before
    next(copy.glob("models/marts/*.sql")).write_text("select 2")
    assert project_digest(copy) != before
