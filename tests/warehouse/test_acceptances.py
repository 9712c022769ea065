from __future__ import annotations

from pathlib import Path

import pytest

from expectations.rules import RULE_IDS
from warehouse.acceptances import read_acceptances
from warehouse.errors import UsageError


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
    ],
)
def test_what_could_not_do_what_is_meant_is_refused_at_once(
    project: Path, text: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        read_acceptances([text], project / "dbt_project")
