"""One audit in the worker: look at the situation, measure, judge, write Data Docs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import great_expectations as gx
import psycopg
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from psycopg import sql

from expectations.audit import AuditRequest, RuleResult, Status, cell
from expectations.errors import AuditFailed
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
    try:
        fill_measures(datasource, values)
        outcome = build_checkpoint(context, datasource, request, asked, values).run(
            run_id=gx.RunIdentifier(run_name=request.run_id)
        )
    finally:
        datasource.get_execution_engine().engine.dispose()
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


# What the rules read; a candidate without one of them was not built by this project's models.
CANDIDATE_RELATIONS = (
    "active_subscriptions",
    "broker_instruments",
    "exp_dotenv__instruments",
    "exp_json__token_lookup",
    "exp_postgres__instruments",
    "exp_redis__instruments",
    "focus_instruments",
    "focus_underlyings",
    "instrument_changes",
    "instruments",
    "rejected_rows",
    "repeated_rows",
    "subscription_filters",
    "withheld_rows",
)


class CandidateIncomplete(Exception):  # becomes a red answer, not an error
    """There is no whole candidate to judge: dbt could not build it."""


def look(request: AuditRequest) -> Situation:
    """What there is to judge, and whether there is something to compare it with.

    Raises:
        AuditFailed: the database cannot be reached.
        CandidateIncomplete: there is no dump, or the candidate lacks a relation.
    """
    try:
        with psycopg.connect(request.dsn) as connection:
            missing = _missing(connection, request)
            if missing:
                raise CandidateIncomplete(f"there is no {', '.join(missing)}")
            return Situation(
                has_publication=_has_rows(connection, request.published_schema),
                exchanges=_exchanges(connection, request.candidate_schema),
                filter=request.filter,
                thresholds=request.thresholds,
            )
    except psycopg.OperationalError as error:
        raise AuditFailed(
            f"PostgreSQL cannot be reached: {' '.join(str(error).split())}",
            expected="the database that holds the candidate",
        ) from error
    except psycopg.ProgrammingError:
        # libpq quotes the address in its message, and a password may be in it.
        raise AuditFailed(
            "the database's address cannot be read", expected="a PostgreSQL URI"
        ) from None


def _missing(connection: psycopg.Connection, request: AuditRequest) -> list[str]:
    wanted = [(request.staging_schema, "kite_instruments")]
    wanted += [(request.candidate_schema, name) for name in CANDIDATE_RELATIONS]
    return [f"{schema}.{name}" for schema, name in wanted if not _exists(connection, schema, name)]


def _exists(connection: psycopg.Connection, schema: str, name: str) -> bool:
    found = connection.execute(
        "select to_regclass(format('%%I.%%I', %s::text, %s::text)) is not null", (schema, name)
    ).fetchone()
    return bool(found and found[0])


def _has_rows(connection: psycopg.Connection, schema: str) -> bool:
    if not _exists(connection, schema, "broker_instruments"):
        return False
    query = sql.SQL("select exists (select 1 from {})").format(
        sql.Identifier(schema, "broker_instruments")
    )
    found = connection.execute(query).fetchone()
    return bool(found and found[0])


def _exchanges(connection: psycopg.Connection, schema: str) -> frozenset[str]:
    query = sql.SQL("select distinct exchange from {}").format(
        sql.Identifier(schema, "broker_instruments")
    )
    return frozenset(row[0] for row in connection.execute(query))


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
    )
