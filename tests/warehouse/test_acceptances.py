from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import yaml

from expectations.rules import RULE_IDS
from warehouse.acceptances import read_acceptances
from warehouse.errors import UsageError
from warehouse.ledger import Run


def test_a_rule_or_a_dbt_test_is_taken_with_its_reason(project: Path) -> None:
    rule = min(RULE_IDS)
    given = [f"{rule}=holiday list = late", "seeds_can_be_used = known"]
    assert read_acceptances(given, project / "dbt_project") == {
        rule: "holiday list = late",
        "seeds_can_be_used": "known",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("marker-nifty-50", "is not RULE=reason"),
        ("marker-nifty-50=", "is not RULE=reason"),
        ("=because", "is not RULE=reason"),
        ("marker-nifty=because", "no rule of the gate and no dbt test"),
        ("select=because", "no rule of the gate and no dbt test"),
        # A column, a model and a macro that tests are made with: none is a test.
        ("exchange=because", "no rule of the gate and no dbt test"),
        ("instruments=because", "no rule of the gate and no dbt test"),
        ("dense_from_one=because", "no rule of the gate and no dbt test"),
    ],
)
def test_what_could_not_do_what_is_meant_is_refused_at_once(
    project: Path, text: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        read_acceptances([text], project / "dbt_project")


def test_every_data_test_of_the_project_can_be_accepted(project: Path) -> None:
    names = {path.stem for path in (project / "dbt_project/tests/singular").rglob("*.sql")}
    for path in (project / "dbt_project").glob("*s/**/*.yml"):
        names |= set(named_tests(yaml.safe_load(path.read_text()), str(path)))
    assert len(names) > 20
    given = [f"{name}=known" for name in sorted(names)]
    assert set(read_acceptances(given, project / "dbt_project")) == names


def named_tests(value: object, where: str) -> Iterator[str]:
    """The names of the data tests in a properties file; each has to have one."""
    if isinstance(value, list):
        for item in value:
            yield from named_tests(item, where)
    elif isinstance(value, dict):
        for test in value.get("data_tests") or ():
            assert isinstance(test, dict), f"{where}: {test} has no name to be accepted by"
            (told,) = [test] if "name" in test else test.values()
            yield told["name"]
        for key, item in value.items():
            if key != "data_tests":
                yield from named_tests(item, where)


def test_a_run_that_audits_twice_records_what_it_let_pass_once(ledger: psycopg.Connection) -> None:
    now = datetime(2026, 8, 17, 3, 10, tzinfo=UTC)
    run = Run.start(ledger, run_id="mine", command="sync", started_at=now)
    run.accept({"marker-sensex": "ticket 7"}, at=now, by="me")
    run.accept({"marker-sensex": "ticket 7", "filter-not-empty": "known"}, at=now, by="me")
    assert ledger.execute("select rule, reason from ops.acceptances order by 1").fetchall() == [
        ("filter-not-empty", "known"), ("marker-sensex", "ticket 7"),
    ]  # fmt: skip
