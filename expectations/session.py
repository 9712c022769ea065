"""One audit in the worker: look at the situation, measure, judge, write Data Docs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import great_expectations as gx
from great_expectations.core.expectation_validation_result import ExpectationValidationResult

from expectations.audit import AuditRequest, RuleResult, Status, cell
from expectations.look import CandidateIncomplete, look
from expectations.rules import RULES, Rule, Situation
from expectations.rules.query import placeholders
from expectations.suites import (
    build_checkpoint,
    fill_measures,
    open_context,
    open_datasource,
    write_data_docs,
)


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit found, with the Data Docs still to be written."""

    results: tuple[RuleResult, ...]
    write_data_docs: Callable[[], None] | None = None


def run_audit(request: AuditRequest) -> Audited:
    """Every rule's result, in the order of `RULES`.

    Raises:
        AuditFailed: the database cannot be reached.
    """
    try:
        situation = look(request)
    except CandidateIncomplete as error:
        return Audited(tuple(_told(rule, request, "not_evaluated", str(error)) for rule in RULES))
    values = placeholders(request, situation)
    reasons = {rule.id: rule.applies(situation) for rule in RULES}
    asked = [rule for rule in RULES if reasons[rule.id] is None]
    context = open_context(request.report_dir)
    datasource = open_datasource(context, request)
    engine = datasource.get_execution_engine()
    try:
        # PostgreSQL measures while the expectations are put together.
        with ThreadPoolExecutor(1) as pool:
            measuring = pool.submit(
                fill_measures, engine, values, of_feeds=bool(situation.other_feeds)
            )
            checkpoint = build_checkpoint(context, datasource, request, asked, values)
            measuring.result()
        outcome = checkpoint.run(
            # Without a time it takes the name for one, and some names for an impossible one.
            run_id=gx.RunIdentifier(request.run_id, run_time=request.started_at)
        )
    finally:
        engine.engine.dispose()
        datasource.get_engine().dispose()
    found = _by_rule(outcome)
    results = tuple(
        _told(rule, request, "not_applicable", reason)
        if (reason := reasons[rule.id]) is not None
        else _result(rule, request, situation, found.get(rule.id))
        for rule in RULES
    )
    folder = request.report_dir
    return Audited(results, partial(write_data_docs, context, folder) if folder else None)


def _by_rule(outcome: gx.checkpoint.CheckpointResult) -> dict[str, ExpectationValidationResult]:
    return {
        result.expectation_config.meta["rule"]: result
        for suite in outcome.run_results.values()
        for result in suite.results
    }


def _result(
    rule: Rule,
    request: AuditRequest,
    situation: Situation,
    result: ExpectationValidationResult | None,
) -> RuleResult:
    """What a rule's expectation answered, in the gate's words."""
    if result is None:
        return _told(rule, request, "not_evaluated", "the suite gave no result for this rule")
    trouble = exception_of(result)
    if trouble:
        return _told(rule, request, "not_evaluated", trouble)
    if rule.stock is not None:
        return _stock_result(rule, request, situation, result)
    details = result.result["details"]
    if not details["evaluated"]:
        return _told(rule, request, "not_evaluated", "there was nothing to look at")
    status: Status = "passed" if result.success else _breach(rule)
    return _told(
        rule,
        request,
        status,
        rule.observed_text(details["facts"]),
        unexpected_count=details["unexpected_count"],
        samples=details["samples"],
        refuses=details["refuses"],
    )


def _stock_result(
    rule: Rule, request: AuditRequest, situation: Situation, result: ExpectationValidationResult
) -> RuleResult:
    """The answer of an expectation that Great Expectations ships; `success` is all it must say."""
    observed: object = result.result.get("observed_value")
    missing: list[str] = []
    if rule.stock is not None and rule.stock.kind == "contains":
        observed = sorted(situation.exchanges)
        missing = sorted(set(rule.stock.values(request.thresholds)) - situation.exchanges)
    return _told(
        rule,
        request,
        "passed" if result.success else _breach(rule),
        rule.observed_text({"observed": observed}),
        unexpected_count=0 if result.success else max(len(missing), 1),
        samples=[{"missing": value} for value in missing],
    )


def _breach(rule: Rule) -> Status:
    return "failed" if rule.severity == "error" else "warned"


def exception_of(result: ExpectationValidationResult) -> str:
    """What an expectation raised, in one line, or an empty string."""
    info: Mapping[str, Any] = result.exception_info or {}
    # One exception, or a dictionary of them by metric.
    several = [info] if "raised_exception" in info else list(info.values())
    for each in several:
        if each.get("raised_exception"):
            return f"the rule could not be run: {cell(each.get('exception_message'))}"
    return ""


def _told(
    rule: Rule,
    request: AuditRequest,
    status: Status,
    observed: str,
    *,
    unexpected_count: int = 0,
    samples: Sequence[Mapping[str, Any]] = (),
    refuses: Sequence[str] = (),
) -> RuleResult:
    return RuleResult(
        rule=rule.id,
        title=rule.title,
        severity=rule.severity,
        status=status,
        observed=observed,
        limit=rule.limit_text(request.thresholds),
        unexpected_count=unexpected_count,
        samples=tuple(
            {str(column): cell(value) for column, value in sample.items()} for sample in samples
        ),
        explanation=rule.explanation,
        action=rule.action,
        refuses=tuple(refuses),
    )
