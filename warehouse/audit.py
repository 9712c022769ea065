"""The gate, within a run: audit, verdict, report, before anything is published."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import psycopg

from expectations.audit import AuditRequest
from expectations.changes import read_changes, read_rows, read_touched
from expectations.coverage_reader import read_report_coverage
from expectations.gate import DbtTestResult, GateWorker, Thresholds, Verdict, decide
from expectations.report import PlanLine, ReportContext, write_report
from exporters.postgres import Publication
from warehouse.build import DbtProject, NodeEnded, NodeResult
from warehouse.destinations import Export
from warehouse.publications import LastPublication, told_to_consumers
from warehouse.session import Warehouse
from warehouse.settings import Settings

SAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True)
class AuditOf:
    """What is audited: the facts of one run."""

    run_id: str
    started_at: datetime
    as_of_date: date
    filter_text: str
    source: str
    dump_sha256: str
    before: LastPublication | None
    accepted: Mapping[str, str] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Built:
    """The project that can test the candidate, and what of it this run could not build."""

    project: DbtProject
    broken: tuple[NodeResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit that was done, with its report on disk."""

    verdict: Verdict
    context: ReportContext
    folder: Path

    @property
    def summary_html(self) -> Path:
        """The page for people."""
        return self.folder / "summary.html"

    @property
    def accepted(self) -> dict[str, str]:
        """Rules that an operator let pass, with the reason."""
        return {result.rule: result.accepted_reason for result in self.verdict.accepted}

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each warning."""
        return tuple(f"{found.rule}: {found.observed}" for found in self.verdict.warnings)


def thresholds_of(settings: Settings) -> Thresholds:
    """The limits of the gate: every setting `GATE_<NAME>` is the threshold of that name."""
    names = [name for name in Settings.model_fields if name.startswith("gate_")]
    return Thresholds(**{name.removeprefix("gate_"): getattr(settings, name) for name in names})


def run_audit(
    warehouse: Warehouse,
    connection: psycopg.Connection,
    worker: GateWorker,
    built: Built,
    of: AuditOf,
    *,
    on_test: NodeEnded | None = None,
) -> Audit:
    """Audit the candidate and write the report; a red verdict is a result, not an error.

    Great Expectations works in its own process while dbt tests in this one.

    Args:
        warehouse: an open warehouse.
        connection: for what the report shows of the candidate.
        worker: the audit's process.
        built: what made the candidate.
        of: the facts of the run.
        on_test: called with how many of dbt's tests have ended, of how many, and the last one.

    Raises:
        GateError: the audit could not be done, or an acceptance names no rule.
    """
    folder = warehouse.settings.reports / of.run_id
    folder.mkdir(parents=True, exist_ok=True)
    request = AuditRequest(
        dsn=warehouse.dsn,
        run_id=of.run_id,
        started_at=of.started_at,
        as_of_date=of.as_of_date,
        filter=of.filter_text,
        report_dir=folder,
        thresholds=thresholds_of(warehouse.settings),
    )
    with ThreadPoolExecutor(2) as pool:
        testing = pool.submit(built.project.test, on_test)
        auditing = pool.submit(worker.audit, request)
        # What the report shows is read meanwhile.
        context = _context(connection, of)
        results, tests = auditing.result(), testing.result()
    told = [_dbt_test(connection, test) for test in tests]
    connection.commit()
    verdict = decide(results, told + [_broken(node) for node in built.broken], of.accepted)
    audit = Audit(verdict, context, folder)
    write_report(verdict, context, folder)
    return audit


def write_again(
    audit: Audit,
    *,
    published: Publication,
    exports: Sequence[Export],
    stage_seconds: Mapping[str, float],
) -> None:
    """Write the report once more, now that the candidate has become a publication."""
    plans = {f"marts.{name}": plan for name, plan in published.tables.items()}
    if published.instruments is not None:
        plans["public.instruments"] = published.instruments
    plans |= {done.destination: done.outcome.plan for done in exports if done.outcome}
    pending = ", ".join(done.destination for done in exports if done.is_pending)
    behind = f" {pending} still show the one before: run `warehouse export`." if pending else ""
    context = replace(
        audit.context,
        publication_id=published.publication_id,
        consumers_see=f"Consumers see publication {published.publication_id} now.{behind}",
        stage_seconds=dict(stage_seconds),
        plan=tuple(
            PlanLine(name, plan.added, plan.changed, plan.removed, plan.note)
            for name, plan in plans.items()
        ),
    )
    write_report(audit.verdict, context, audit.folder)


def operator_name() -> str:
    """Who lets a rule pass: the login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _dbt_test(connection: psycopg.Connection, test: NodeResult) -> DbtTestResult:
    has_rows = test.status in {"fail", "warn"} and test.failures and test.sql
    return DbtTestResult(
        name=test.name,
        severity="warning" if test.severity == "warn" else "error",
        status=test.status,  # type: ignore[arg-type]  # dbt's own words
        failures=test.failures,
        message=test.message if test.status == "error" else "",
        relation=test.relation,
        description=test.description,
        samples=_samples(connection, test.sql) if has_rows else (),
    )


def _broken(node: NodeResult) -> DbtTestResult:
    """A model that could not be built is told like a test that could not be run."""
    return DbtTestResult(
        name=node.name,
        severity="error",
        status="error",
        message=node.message,
        relation=node.name,
        description=f"dbt builds the {node.kind} {node.name}",
    )


def _samples(connection: psycopg.Connection, query: str) -> tuple[Mapping[str, str], ...]:
    """The first rows that a failing dbt test returned."""
    try:
        with connection.transaction():
            cursor = connection.execute(
                f"select * from ({query}) as failing limit {SAMPLE_ROWS}"  # noqa: S608  # dbt compiled it
            )
            names = [column.name for column in cursor.description or ()]
            return tuple(
                {
                    name: "" if value is None else str(value)
                    for name, value in zip(names, row, strict=True)
                }
                for row in cursor.fetchall()
            )
    except psycopg.Error:
        return ()


def _context(connection: psycopg.Connection, of: AuditOf) -> ReportContext:
    before = of.before
    brokers = read_report_coverage(connection, "candidate", "marts")
    context = ReportContext(
        run_id=of.run_id,
        started_at=of.started_at,
        as_of_date=of.as_of_date,
        source=of.source,
        dump_sha256=of.dump_sha256,
        filter=of.filter_text,
        rows_now=read_rows(connection, "candidate"),
        rows_before=dict(before.summary.get("rows_by_exchange", {})) if before else {},
        changes=read_changes(connection),
        touched=read_touched(connection, with_brokers=len(brokers) > 1),
        brokers=brokers,
        consumers_see=f"{told_to_consumers(before)}.",
        stage_seconds=dict(of.stage_seconds),
    )
    connection.commit()
    return context
