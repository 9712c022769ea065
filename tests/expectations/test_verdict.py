"""From results to a verdict: what is red, what may be accepted."""

from __future__ import annotations

from typing import Any

import pytest

from expectations.audit import RuleResult
from expectations.errors import AcceptanceRefused
from expectations.gate import DbtTestResult, check_acceptances, decide
from expectations.rules import RULE_IDS, RULES


def results(**changes: dict[str, Any]) -> list[RuleResult]:
    """Every rule passed, but for the given ones (with `_` for `-`)."""
    named = {name.replace("_", "-"): change for name, change in changes.items()}
    assert named.keys() <= RULE_IDS
    return [
        RuleResult(
            **{
                "rule": rule.id,
                "title": rule.title,
                "severity": rule.severity,
                "status": "passed",
                "observed": "as it should be",
                "limit": "a limit",
            }
            | named.get(rule.id, {})
        )
        for rule in RULES
    ]


FAILED = {"status": "failed", "observed": "0 rows", "unexpected_count": 1}
PASSED_TEST = DbtTestResult("unique_x", "error", "pass")


def test_everything_passed_is_green() -> None:
    verdict = decide(results(), [PASSED_TEST])
    assert verdict.is_green
    assert verdict.reasons == ()
    assert verdict.evaluated == len(RULES) + 1
    assert verdict.told == f"green: {len(RULES) + 1} checks evaluated"


def test_failed_error_rule_is_red_and_named_with_its_numbers() -> None:
    verdict = decide(results(marker_sensex=FAILED))
    assert verdict.colour == "red"
    assert verdict.reasons == ("marker-sensex failed: 0 rows (limit: a limit).",)
    assert "1 blocking" in verdict.told


def test_warnings_are_told_and_do_not_block() -> None:
    verdict = decide(results(withheld_none={"status": "warned"}))
    assert verdict.is_green
    assert [each.rule for each in verdict.warnings] == ["withheld-none"]
    assert ", 1 warning" in verdict.told


@pytest.mark.parametrize(("rule", "is_green"), [("marker_sensex", False), ("withheld_none", True)])
def test_rule_that_was_not_evaluated_is_red_if_it_is_an_error(rule: str, *, is_green: bool) -> None:
    verdict = decide(results(**{rule: {"status": "not_evaluated"}}))
    assert verdict.is_green is is_green
    assert len(verdict.red_results) + len(verdict.warnings) == 1


def test_rule_without_a_result_is_red() -> None:
    verdict = decide(each for each in results() if each.rule != "churn-token")
    assert not verdict.is_green
    assert verdict.red_results[0].rule == "churn-token"


def test_nothing_evaluated_is_red() -> None:
    assert not decide([]).is_green
    silent = [
        RuleResult(rule.id, rule.title, rule.severity, "not_applicable", "no") for rule in RULES
    ]
    verdict = decide(silent)
    assert verdict.reasons == ("No rule of the gate was evaluated.",)
    assert verdict.evaluated == 0


@pytest.mark.parametrize(
    "tests", [[], [DbtTestResult("unique_x", "warning", "skipped")]], ids=["none", "all-skipped"]
)
def test_build_without_an_evaluated_dbt_test_is_red(tests: list[DbtTestResult]) -> None:
    assert "No dbt test was evaluated." in decide(results(), tests).reasons


@pytest.mark.parametrize(
    ("severity", "status", "expected", "is_green"),
    [
        ("error", "pass", "passed", True),
        ("error", "fail", "failed", False),
        ("error", "error", "not_evaluated", False),
        ("error", "skipped", "not_evaluated", False),
        ("error", "warn", "warned", True),
        ("warning", "fail", "warned", True),
        ("warning", "warn", "warned", True),
        ("warning", "error", "not_evaluated", True),
    ],
)
def test_dbt_tests_count_as_dbt_says(
    severity: Any, status: Any, expected: str, *, is_green: bool
) -> None:
    test = DbtTestResult("t_one", severity, status, 3, "", "instruments", "Ids are unique")
    verdict = decide(results(), [PASSED_TEST, test])
    told = verdict.results[-1]
    assert (told.status, told.origin, verdict.is_green) == (expected, "dbt", is_green)
    assert told.title == "Ids are unique"
    assert told.unexpected_count == 3


def test_named_failed_rule_is_accepted_once_with_its_reason() -> None:
    verdict = decide(results(churn_lot=FAILED), [PASSED_TEST], {"churn-lot": " NSE circular 123 "})
    assert verdict.is_green
    assert [(each.rule, each.accepted_reason) for each in verdict.accepted] == [
        ("churn-lot", "NSE circular 123")
    ]
    assert verdict.unused_acceptances == ()


def test_accepting_one_rule_lets_no_other_pass() -> None:
    verdict = decide(results(churn_lot=FAILED, churn_tick=FAILED), accepted={"churn-lot": "why"})
    assert [each.rule for each in verdict.red_results] == ["churn-tick"]


def test_failed_dbt_test_may_be_accepted_by_its_name() -> None:
    failed = DbtTestResult("t_one", "error", "fail", 1)
    assert decide(results(), [PASSED_TEST, failed], {"t_one": "known"}).is_green


@pytest.mark.parametrize("status", ["not_evaluated", "passed", "not_applicable"])
def test_only_a_failure_can_be_accepted(status: str) -> None:
    verdict = decide(results(churn_lot={"status": status}), accepted={"churn-lot": "why"})
    assert verdict.is_green is (status != "not_evaluated")
    assert verdict.unused_acceptances == ("churn-lot",)


@pytest.mark.parametrize("accepted", [{"churn-lots": "why"}, {"churn-lot": ""}, {"churn-lot": " "}])
def test_acceptance_of_nothing_or_without_reason_is_refused(accepted: dict[str, str]) -> None:
    with pytest.raises(AcceptanceRefused) as caught:
        decide(results(), accepted=accepted)
    assert caught.value.exit_code == 2
    with pytest.raises(AcceptanceRefused):
        check_acceptances(accepted, known=RULE_IDS)
