"""From results to a verdict: pure, over values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from expectations.audit import RuleResult, Severity, Status
from expectations.errors import AcceptanceRefused
from expectations.rules import RULE_IDS

DbtStatus = Literal["pass", "fail", "warn", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class DbtTestResult:
    """What one dbt test said during the build.

    Attributes:
        name: the test's name, which `--accept` may name.
        severity: as configured on the test.
        status: as dbt reports it.
        failures: rows that the test returned.
        message: dbt's message, one line.
        relation: the model, or the SQL, that was tested.
        description: what the test promises, where its project says so.
        samples: rows that the test returned, column to text, where they were fetched.
    """

    name: str
    severity: Severity
    status: DbtStatus
    failures: int = 0
    message: str = ""
    relation: str = ""
    description: str = ""
    samples: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the candidate may be published, and why.

    Attributes:
        is_green: whether it may.
        results: every rule and dbt test, in the order in which they were given.
        evaluated: how many of them looked at something.
        reasons: why it is red, one sentence each; empty when green.
        unused_acceptances: rules that an operator named and that had not failed.
    """

    is_green: bool
    results: tuple[RuleResult, ...]
    evaluated: int
    reasons: tuple[str, ...]
    unused_acceptances: tuple[str, ...] = ()

    @property
    def colour(self) -> Literal["green", "red"]:
        """The verdict in one word."""
        return "green" if self.is_green else "red"

    @property
    def red_results(self) -> tuple[RuleResult, ...]:
        """The results that turned the gate red."""
        return tuple(result for result in self.results if result.is_red)

    @property
    def accepted(self) -> tuple[RuleResult, ...]:
        """The results that an operator let pass."""
        return tuple(result for result in self.results if result.status == "accepted")

    @property
    def warnings(self) -> tuple[RuleResult, ...]:
        """What is told without blocking, also a warning that could not be evaluated."""
        return tuple(
            result
            for result in self.results
            if result.status == "warned"
            or (result.severity == "warning" and result.status == "not_evaluated")
        )

    @property
    def refused_feeds(self) -> tuple[str, ...]:
        """The brokers beside Kite whose dumps alone turned the gate red; else empty."""
        red = self.red_results
        if not red or len(red) < len(self.reasons) or not all(each.refuses for each in red):
            return ()
        return tuple(sorted({feed for each in red for feed in each.refuses}))

    def count(self, status: Status) -> int:
        """How many results have a status."""
        return Counter(result.status for result in self.results)[status]

    @property
    def told(self) -> str:
        """The verdict in one line."""
        warnings = len(self.warnings)
        counts = (
            (len(self.red_results), "blocking"),
            (len(self.accepted), "accepted"),
            (warnings, "warning" if warnings == 1 else "warnings"),
            (self.count("not_applicable"), "not applicable"),
        )
        parts = [f"{self.evaluated} checks evaluated"]
        parts += [f"{number} {word}" for number, word in counts if number]
        return f"{self.colour}: {', '.join(parts)}"


_DBT_STATUS: Final[Mapping[DbtStatus, Status]] = {
    "pass": "passed",
    "warn": "warned",
    "error": "not_evaluated",
    "skipped": "not_evaluated",
}


def decide(
    results: Iterable[RuleResult],
    dbt_tests: Sequence[DbtTestResult] | None = None,
    accepted: Mapping[str, str] | None = None,
    *,
    expected_rules: Collection[str] = RULE_IDS,
) -> Verdict:
    """The verdict: red if a check of severity error failed, was not evaluated or has no result.

    Red as well if no rule was evaluated, or no dbt test although a build belongs to this audit.

    Args:
        results: what the audit found.
        dbt_tests: what dbt's tests said; None where no build belongs to this audit.
        accepted: rule id or dbt test name to an operator's reason. Only a failed check of
            severity error becomes `accepted`; one that was not evaluated stays red.
        expected_rules: the rules that must have a result.

    Raises:
        AcceptanceRefused: an acceptance names no known rule or dbt test, or has no reason.
    """
    found = tuple(results)
    missing = sorted(set(expected_rules) - {result.rule for result in found})
    tests = tuple(_dbt_result(test) for test in dbt_tests or ())
    every = found + tuple(_without_result(rule) for rule in missing) + tests
    wanted = dict(accepted or {})
    check_acceptances(wanted, known=RULE_IDS | {result.rule for result in every})
    every = tuple(_accept(result, wanted) for result in every)
    reasons = [_reason(result) for result in every if result.is_red]
    if not any(result.is_evaluated for result in found):
        reasons.append("No rule of the gate was evaluated.")
    if dbt_tests is not None and not any(test.is_evaluated for test in tests):
        reasons.append("No dbt test was evaluated.")
    return Verdict(
        is_green=not reasons,
        results=every,
        evaluated=sum(result.is_evaluated for result in every),
        reasons=tuple(reasons),
        unused_acceptances=tuple(
            sorted(wanted.keys() - {each.rule for each in every if each.status == "accepted"})
        ),
    )


def check_acceptances(accepted: Mapping[str, str], *, known: Collection[str]) -> None:
    """Refuses acceptances that could not do what the operator means by them.

    Raises:
        AcceptanceRefused: an acceptance names nothing in `known`, or has no reason.
    """
    for rule, reason in accepted.items():
        if rule not in known:
            raise AcceptanceRefused(
                f"--accept names {rule!r}, which is no rule of the gate and no dbt test",
                expected="one of the names that the report shows for what failed",
            )
        if not reason.strip():
            raise AcceptanceRefused(
                f"--accept {rule} has no reason",
                expected=f"--accept '{rule}=why this may pass once', which is kept for ever",
            )


def _accept(result: RuleResult, accepted: Mapping[str, str]) -> RuleResult:
    if result.rule in accepted and result.severity == "error" and result.status == "failed":
        return replace(result, status="accepted", accepted_reason=accepted[result.rule].strip())
    return result


def _dbt_result(test: DbtTestResult) -> RuleResult:
    status = _DBT_STATUS.get(test.status)
    if status is None:
        status = "failed" if test.severity == "error" else "warned"
    rows = "1 row" if test.failures == 1 else f"{test.failures:,} rows"
    observed = test.message or ("no row" if status == "passed" else rows)
    return RuleResult(
        rule=test.name,
        title=test.description or test.name.replace("_", " "),
        severity=test.severity,
        status=status,
        observed=observed,
        limit="no row",
        unexpected_count=test.failures,
        samples=test.samples,
        explanation=f"Tested by dbt on {test.relation}." if test.relation else "Tested by dbt.",
        action="Run the test's SQL in the candidate to see every row.",
        origin="dbt",
    )


def _without_result(rule: str) -> RuleResult:
    return RuleResult(
        rule=rule,
        title=rule.replace("-", " "),
        severity="error",
        status="not_evaluated",
        observed="the audit gave no result for this rule",
    )


def _reason(result: RuleResult) -> str:
    verb = "failed" if result.status == "failed" else "could not be evaluated"
    return f"{result.rule} {verb}: {result.observed} (limit: {result.limit or 'none'})."
