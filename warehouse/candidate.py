"""The second half of a sync, up to the gate: the candidate is built and audited."""

from __future__ import annotations

import psycopg

from expectations.gate import GateWorker
from loader.fetch import Dump
from loader.landing import Load
from warehouse.audit import Audit, AuditOf, Built, operator_name, run_audit
from warehouse.build import BuildReport, DbtProject
from warehouse.errors import BuildFailed, GateRed, ServiceUnavailable
from warehouse.ledger import (
    BuildParameters,
    LastPublication,
    told_to_consumers,
    write_build_parameters,
)
from warehouse.sync_request import SyncContext


def build_candidate(
    context: SyncContext, connection: psycopg.Connection, load: Load, project: DbtProject
) -> BuildReport:
    """Write what the build is told, then build; models that break are in the report.

    Raises:
        BuildFailed: dbt itself failed.
        ServiceUnavailable: PostgreSQL went away.
    """
    names = context.request.filter_names
    write_build_parameters(
        connection,
        BuildParameters(
            load_id=load.load_id,
            feed=context.feed.name,
            as_of_date=context.as_of,
            filter=context.request.filter_text,
            filter_names=names,
            reference_prices=context.warehouse.settings.reference_prices,
        ),
    )
    connection.commit()
    context.run.update(stage="build", filter=context.request.filter_text)
    with context.stages.stage("build", "building the candidate with dbt") as stage:
        try:
            report = project.build(stage.advance)
        except BuildFailed:
            _still_there(connection)
            raise
        if report.broken:
            _still_there(connection)
        broken = f", {len(report.broken)} broken" if report.broken else ""
        stage.done(f"{len(report.nodes)} models and seeds{broken}")
    return report


def _still_there(connection: psycopg.Connection) -> None:
    """A model that broke because the server went away is an outage, not a red gate."""
    try:
        connection.execute("select 1")
        connection.commit()
    except psycopg.OperationalError as error:
        raise ServiceUnavailable(
            f"PostgreSQL went away during the build: {' '.join(str(error).split())} Nothing "
            f"was published; consumers keep what they have. Run the command again."
        ) from error


def audit_candidate(
    context: SyncContext,
    connection: psycopg.Connection,
    worker: GateWorker,
    built: Built,
    *,
    dump: Dump,
    before: LastPublication | None,
) -> Audit:
    """Audit the candidate and write the report.

    Raises:
        GateRed: naming the rules, the report and what consumers still see.
        GateError: the audit could not be done.
    """
    context.run.update(stage="gate")
    with context.stages.stage("gate", "auditing the candidate") as stage:
        audit = run_audit(
            context.warehouse,
            connection,
            worker,
            built,
            AuditOf(
                run_id=context.run.run_id,
                started_at=context.started_at,
                as_of_date=context.as_of,
                filter_text=context.request.filter_text,
                source=dump.source,
                dump_sha256=dump.sha256,
                accepted=dict(context.request.accepted),
                before=before,
                stage_seconds=context.stages.seconds,
            ),
        )
        stage.done(audit.verdict.told)
    context.run.update(verdict=audit.verdict.colour, report_path=str(audit.summary_html))
    context.run.accept(audit.accepted, at=context.warehouse.clock.now(), by=operator_name())
    for line in audit.warnings:
        context.stages.display.warn(line)
    if not audit.verdict.is_green:
        raise GateRed(
            f"The gate is red: {' '.join(audit.verdict.reasons)} Nothing was published. "
            f"{told_to_consumers(before)}. Read {audit.summary_html}; then wait for a better "
            f"dump, or let one rule pass once with --accept RULE=reason."
        )
    return audit
