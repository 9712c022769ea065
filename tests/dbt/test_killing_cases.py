"""Each data test is shown a candidate that it must refuse: one that cannot fail is a defect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import land, small_dump

Database = psycopg.Connection[dict[str, Any]]

DAMAGES: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("damages.yml").read_text()
)


@pytest.fixture(scope="module")
def statuses(dbt: Dbt, database: Database) -> dict[str, str]:
    land(database, small_dump(), as_of="2026-08-17")
    statuses = dbt.build()
    # Views follow what they are made of; some damages need one that does not.
    database.execute(
        "create table candidate.saved_export as table candidate.exp_postgres__instruments"
    )
    database.execute(
        "create table candidate.saved_lookup as table candidate.exp_json__token_lookup"
    )
    database.commit()
    return statuses


@pytest.fixture
def damaged(database: Database) -> Iterator[Database]:
    """The candidate, to be damaged for one test only."""
    yield database
    database.rollback()


def data_tests(dbt: Dbt) -> set[str]:
    return {node.name for node in dbt.manifest.nodes.values() if str(node.resource_type) == "test"}


def test_a_good_candidate_passes_every_data_test(dbt: Dbt, statuses: dict[str, str]) -> None:
    assert {name: statuses[name] for name in data_tests(dbt)} == dict.fromkeys(
        data_tests(dbt), "pass"
    )


def test_every_data_test_has_a_candidate_that_it_refuses(dbt: Dbt) -> None:
    assert set(DAMAGES) == data_tests(dbt)


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param(name, damage, id=f"{name}: {what}")
        for name, damages in DAMAGES.items()
        for what, damage in damages.items()
    ],
)
def test_damage_is_refused(dbt: Dbt, damaged: Database, name: str, damage: str) -> None:
    query = dbt.compiled(name)
    assert damaged.execute(query).fetchall() == []
    touched = [damaged.execute(part).rowcount for part in damage.split(";")]
    assert 0 not in touched, "the damage touched nothing"
    assert damaged.execute(query).fetchall() != []


def test_severities_are_stated(dbt: Dbt) -> None:
    """What real dumps do on some days may warn, never stop a publication."""
    warning = {
        node.name
        for node in dbt.manifest.nodes.values()
        if str(node.resource_type) == "test" and node.config.severity.lower() == "warn"
    }
    assert warning == {
        "focus_set_is_whole",
        "rows_are_not_repeated",
        "segments_are_known",
        "symbols_agree_with_their_terms",
    }


POSITIONS = "(values {}) as rows (position)"
ORIGINALS = "(values {}) as original_rows (token, strike)"
COPIES = "(values {}) as copied_rows (token, strike)"
GOOD_ORIGINALS = "(1, 390.75), (2, null)"

TWINS = {
    "dense_from_one_valid_in_any_order": (
        "dense_from_one_failures", [POSITIONS.format("(2), (1), (3)"), "position"], True,
    ),
    "dense_from_one_valid_without_rows": (
        "dense_from_one_failures",
        ["(select 1 as position where false) as rows", "position"], True,
    ),
    "dense_from_one_invalid_gap": (
        "dense_from_one_failures", [POSITIONS.format("(1), (3)"), "position"], False,
    ),
    "dense_from_one_invalid_repeat": (
        "dense_from_one_failures", [POSITIONS.format("(1), (2), (2)"), "position"], False,
    ),
    "dense_from_one_invalid_start": (
        "dense_from_one_failures", [POSITIONS.format("(0), (1)"), "position"], False,
    ),
    "dense_from_one_invalid_null": (
        "dense_from_one_failures", [POSITIONS.format("(1), (null)"), "position"], False,
    ),
    "mirrors_valid_with_texts_for_numbers": (
        "mirrors_failures",
        [COPIES.format("(1, '390.750'), (2, '0')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}],
        True,
    ),
    "mirrors_invalid_rounded": (
        "mirrors_failures",
        [COPIES.format("(1, '391'), (2, '0')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}],
        False,
    ),
    "mirrors_invalid_null_for_a_value": (
        "mirrors_failures",
        [COPIES.format("(1, null), (2, '0')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}],
        False,
    ),
    "mirrors_invalid_missing_key": (
        "mirrors_failures",
        [COPIES.format("(1, '390.75')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}],
        False,
    ),
    "mirrors_invalid_extra_key": (
        "mirrors_failures",
        [COPIES.format("(1, '390.75'), (2, '0'), (3, '0')"), ORIGINALS.format(GOOD_ORIGINALS),
         "token", {"strike": "coalesce(strike, 0)"}],
        False,
    ),
    "mirrors_valid_of_some_rows": (
        "mirrors_failures",
        [COPIES.format("(1, '390.75')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}, "token = 1"],
        True,
    ),
    "mirrors_invalid_of_no_rows": (
        "mirrors_failures",
        ["(select 1 as token, '0' as strike where false) as copied_rows",
         ORIGINALS.format(GOOD_ORIGINALS), "token", {"strike": "strike"}, "token = 3"],
        False,
    ),
    "mirrors_invalid_empty_on_both_sides": (
        "mirrors_failures",
        ["(select 1 as token, '0' as strike where false) as copied_rows",
         "(select 1 as token, 0 as strike where false) as original_rows", "token",
         {"strike": "strike"}],
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_generic_tests_judge_rows_rightly(dbt: Dbt, database: Database, name: str) -> None:
    macro, arguments, is_valid = TWINS[name]
    assert f"_{'valid' if is_valid else 'invalid'}" in name
    query = dbt.inline(f"{{{{ {macro}({', '.join(map(repr, arguments))}) }}}}")
    assert (rows_of(database, query) == []) is is_valid
