"""The second half of a sync, up to the gate: the candidate is built and audited."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from expectations.gate import GateWorker
from warehouse.audit import Audit, AuditOf, Built, operator_name, run_audit
from warehouse.build import APPLICATION, BuildReport, DbtProject
from warehouse.errors import BuildFailed, GateRed, ServiceUnavailable
from warehouse.ledger import BuildParameters, write_build_parameters
from warehouse.publications import PublishedFeed, told_to_consumers
from warehouse.sync_request import FeedLoad, SyncContext, SyncResult

# dbt quotes the server and its own place in the project; the beginning says what is wrong.
MESSAGE_LENGTH = 400

# Other sessions than dbt's that hold something of the candidate.
HOLDERS = """
select string_agg(distinct format(
    'pid %%s (%%s, %%s, %%s since %%s)', a.pid, a.usename,
    coalesce(nullif(a.application_name, ''), 'no application name'), a.state,
    to_char(a.xact_start, 'HH24:MI:SS')), '; ')
from pg_locks as l
inner join pg_class as c on c.oid = l.relation
inner join pg_stat_activity as a on a.pid = l.pid
where
    l.granted
    and c.relnamespace = to_regnamespace('candidate')
    and l.pid <> pg_backend_pid()
    and a.application_name <> %s
"""


def build_candidate(
    context: SyncContext,
    connection: psycopg.Connection,
    loads: Mapping[str, FeedLoad],
    project: DbtProject,
) -> BuildReport:
    """Write what the build is told, then build; models that break are in the report.

    Raises:
        BuildFailed: dbt itself failed.
        ServiceUnavailable: PostgreSQL went away.
    """
    names = context.request.filter_names
    main = context.feeds[0].name
    write_build_parameters(
        connection,
        BuildParameters(
            load_id=loads[main].load_id or 0,
            feed=main,
            as_of_date=context.as_of,
            filter=context.request.filter_text,
            filter_names=names,
            reference_prices=context.warehouse.settings.reference_prices,
            feeds={
                name: PublishedFeed(load.load_id, load.as_of_date, load.is_stale)
                for name, load in loads.items()
            },
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
            _not_held(connection, report)
        broken = f", {len(report.broken)} broken" if report.broken else ""
        stage.done(f"{len(report.nodes)} models and seeds{broken}")
    return report


def require_whole(report: BuildReport) -> None:
    """Refuse a build with models that broke, where no gate follows that would tell them.

    Raises:
        BuildFailed: naming each with dbt's own message.
    """
    if not report.broken:
        return
    told = "; ".join(f"{node.name}: {node.message[:MESSAGE_LENGTH]}" for node in report.broken)
    skipped = sum(node.status == "skipped" for node in report.nodes)
    behind = f" {skipped} more, which read them, were skipped." if skipped else ""
    raise BuildFailed(
        f"dbt could not build {len(report.broken)} of {len(report.nodes)} models and seeds: "
        f"{told}.{behind} The candidate is not whole; nothing was published, and consumers keep "
        f"what they have. Mend the models or what they read, then build again."
    )


def _not_held(connection: psycopg.Connection, report: BuildReport) -> None:
    """A model that somebody reads too long to be replaced is no red gate either."""
    if not report.waited_for:
        return
    holders = connection.execute(HOLDERS, (APPLICATION,)).fetchone()
    connection.commit()
    named = f": held by {holders[0]}" if holders and holders[0] else ""
    raise ServiceUnavailable(
        f"{report.waited_for} of the candidate could not be built anew, because somebody else "
        f"reads or writes the candidate in a transaction that stays open{named}. Nothing was "
        f"published; consumers keep what they have. End that session or transaction, then run the "
        f"command again."
    )


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
    result: SyncResult,
) -> Audit:
    """Audit the candidate and write the report; the audit is in the result, also a red one.

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
                source=result.source,
                dump_sha256=result.loads[context.feeds[0].name].sha256,
                accepted=dict(context.request.accepted),
                before=result.before,
                stage_seconds=context.stages.seconds,
            ),
            on_test=stage.advance,
        )
        stage.done(audit.verdict.told)
    result.audit = audit
    context.run.update(verdict=audit.verdict.colour, report_path=str(audit.summary_html))
    context.run.accept(audit.accepted, at=context.warehouse.clock.now(), by=operator_name())
    for line in audit.warnings:
        context.stages.display.warn(line)
    if not audit.verdict.is_green:
        raise GateRed(
            f"The gate is red: {' '.join(audit.verdict.reasons)} Nothing was published. "
            f"{told_to_consumers(result.before)}. Read {audit.summary_html}; then wait for a "
            f"better dump, or let one rule pass once with --accept RULE=reason."
        )
    return audit
