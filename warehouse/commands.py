"""What each verb of the command line does, without the command line."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import psycopg

from expectations.gate import GateWorker
from exporters.errors import DestinationRefused
from exporters.postgres import capture_overrides, verify_published
from loader.feeds import KITE
from warehouse import database, destinations
from warehouse.audit import Audit, AuditOf, Built, run_audit
from warehouse.build import DbtProject
from warehouse.clock import Clock
from warehouse.dbt_profile import profile_environment
from warehouse.display import Display, QuietDisplay, TimedStages
from warehouse.errors import DestinationsPending, UsageError, WarehouseError
from warehouse.exit_codes import GATE_RED
from warehouse.filters import check_prices
from warehouse.ledger import report_paths
from warehouse.pipeline import run_sync
from warehouse.publications import believed_days, last_publication
from warehouse.recorded_run import finish, recorded_run
from warehouse.sample_guard import guard_export, guard_files, guard_publications, guard_servers
from warehouse.servers import EmbeddedServers
from warehouse.session import Warehouse, open_warehouse, postgres_url, read_warehouse
from warehouse.settings import DBT_PROJECT, Settings
from warehouse.source import feeds_of
from warehouse.status import Status, nothing_published, read_status
from warehouse.sync_request import SyncContext, SyncRequest, SyncResult

log = logging.getLogger(__name__)


def sync(
    settings: Settings, clock: Clock, request: SyncRequest, display: Display
) -> tuple[SyncResult, TimedStages]:
    """The whole way from a dump to every destination.

    Raises:
        WarehouseError, LoaderError, ExportError: see `warehouse.exit_codes`.
    """
    guard_servers(settings, request)
    check_prices(settings.reference_prices, DBT_PROJECT)
    stages = TimedStages(display)
    command = "build" if request.build_only else "dry-run" if request.dry_run else "sync"
    with recorded_run(settings, clock, stages, command) as (warehouse, run):
        before = last_publication(warehouse.connection)
        guard_publications(request, before)
        if request.source == KITE.name and clock.replayed:
            display.warn(f"{clock.replayed}: what Kite gives today is taken for a dump of that day")
        guard_files(settings, request, before)
        context = SyncContext(
            warehouse=warehouse,
            request=request,
            run=run,
            stages=stages,
            feeds=feeds_of(settings),
            as_of=clock.as_of_date(),
            started_at=clock.now(),
        )
        result = run_sync(context)
        result.env_written_at = warehouse.env_written_at
        if result.status == "already_published":
            reports = report_paths(warehouse.connection, result.publication_id)
            result.earlier_report = next(filter(_is_here, reports), None)
        with destinations.following(result.publication_id):
            finish(run, clock, result, stages)
    return result, stages


def _is_here(report: str) -> bool:
    """Whether a report of the ledger is on this machine, and was not pruned."""
    return Path(report).is_file()


def export(settings: Settings, clock: Clock, display: Display, *, dry_run: bool) -> SyncResult:
    """Bring every destination to the last publication."""
    stages = TimedStages(display)
    with recorded_run(settings, clock, stages, "export") as (warehouse, run):
        publication = last_publication(warehouse.connection)
        if publication is None:
            raise UsageError("Nothing has been published yet: run `warehouse sync` first.")
        if not dry_run:
            guard_export(settings, publication)
        result = SyncResult("exported", publication.as_of_date, publication.filter)
        result.source = publication.source or ""
        result.publication_id = publication.publication_id
        run.update(stage="export", publication_id=publication.publication_id)
        _mend_tables(warehouse, stages, dry_run=dry_run)
        if dry_run:
            result.status = "dry_run"
            result.exports = destinations.plan_all(warehouse, stages)
        else:
            result.exports = destinations.export_all(warehouse, stages, publication.publication_id)
        result.env_written_at = warehouse.env_written_at
        finish(run, clock, result, stages)
    return result


def _mend_tables(warehouse: Warehouse, stages: TimedStages, *, dry_run: bool) -> None:
    """Compare the published tables, and bring `public.instruments` to them.

    Raises:
        DestinationsPending: `marts` itself was damaged; exporting it would spread the damage.
    """
    with warehouse.transaction_connection() as connection:
        capture_overrides(connection, recorded_at=warehouse.clock.now())
        with stages.stage("verify", "comparing the published tables") as stage:
            differences = verify_published(
                connection, repair_legacy=not dry_run, now=warehouse.clock.now()
            )
            stage.done("as published" if not differences else "differs from what was published")
    for difference in differences:
        stages.display.warn(difference)
    damaged = [told for told in differences if told.startswith("marts.")]
    if damaged:
        raise DestinationsPending(
            f"{'; '.join(damaged)}. Nothing was exported, so that the damage does not spread. Run "
            f"the last sync again: it builds and publishes what is missing."
        )


def gate(settings: Settings, clock: Clock, display: Display) -> Audit:
    """Audit the candidate as it stands, with dbt's tests; nothing is published.

    Raises:
        UsageError: there is no candidate yet.
    """
    stages = TimedStages(display)
    with (
        recorded_run(settings, clock, stages, "gate") as (warehouse, run),
        warehouse.transaction_connection() as connection,
        GateWorker.start() as worker,
    ):
        of = _built_last(connection, run.run_id, clock)
        run.update(stage="gate", filter=of.filter_text, as_of_date=of.as_of_date)
        project = DbtProject(warehouse.dsn, settings.home / "dbt", settings.feeds)
        with stages.stage("gate", "auditing the candidate") as stage:
            audit = run_audit(warehouse, connection, worker, Built(project), of)
            stage.done(audit.verdict.told)
        run.update(
            status="audited",
            stage="done",
            verdict=audit.verdict.colour,
            report_path=str(audit.summary_html),
            exit_code=0 if audit.verdict.is_green else GATE_RED,
            finished_at=clock.now(),
        )
    return audit


def _built_last(connection: psycopg.Connection, run_id: str, clock: Clock) -> AuditOf:
    row = connection.execute(
        """
        select parameters.as_of_date, parameters.filter, loads.source, loads.sha256
        from ops.build_parameters as parameters
        inner join ops.loads as loads on parameters.load_id = loads.load_id
        """
    ).fetchone()
    connection.commit()
    if row is None:
        raise UsageError("There is no candidate yet: run `warehouse build` first.")
    as_of_date, filter_text, source, sha256 = row
    return AuditOf(
        run_id=run_id,
        started_at=clock.now(),
        as_of_date=as_of_date,
        filter_text=filter_text,
        source=source,
        dump_sha256=sha256,
        before=last_publication(connection),
    )


def status(settings: Settings, clock: Clock) -> Status:
    """What the ledger says, and what every destination really holds; nothing is changed.

    Raises:
        UsageError: the user may not read all of it.
        ServiceUnavailable: PostgreSQL does not answer.
    """
    with read_warehouse(settings, clock) as warehouse:
        if warehouse is None:
            return nothing_published(clock)
        stages = TimedStages(QuietDisplay())
        if last_publication(warehouse.connection) is None:
            return read_status(warehouse.connection, clock)
        try:
            with warehouse.transaction_connection() as connection:
                differences = verify_published(connection)
        except DestinationRefused as error:
            raise UsageError(f"The published tables cannot be read: {error.seen}.") from error
        exports = destinations.plan_all(warehouse, stages)
        return read_status(warehouse.connection, clock, exports, differences)


def published_days(settings: Settings, clock: Clock) -> frozenset[date]:
    """The trading days that history holds now: those taken back by a rollback are not held."""
    with open_warehouse(settings, clock) as warehouse:
        return believed_days(warehouse.connection)


def docs(settings: Settings, clock: Clock) -> Path:
    """Write the dbt docs of the published schema and return where."""
    with open_warehouse(settings, clock) as warehouse:
        project = DbtProject(warehouse.dsn, settings.home / "dbt", settings.feeds)
        return project.docs(settings.home / "docs")


def last_report(settings: Settings, clock: Clock) -> Path | None:
    """The page of the last run that has one.

    The ledger knows the order of runs; the names of the folders are of a clock that may have been
    wrong. Without PostgreSQL they are all there is.
    """
    try:
        with read_warehouse(settings, clock) as warehouse:
            told = report_paths(warehouse.connection) if warehouse else ()
    except WarehouseError as error:
        log.warning("event=ledger_unreachable error=%r", str(error))
        told = ()
    found = next(filter(_is_here, told), None)
    if found is not None:
        return Path(found)
    pages = sorted(settings.reports.glob("*/summary.html"))
    return pages[-1] if pages else None


def server_url(settings: Settings, server: str) -> str:
    """The URL of `postgres` or `redis`, for other programs."""
    if server == "postgres":
        return postgres_url(settings)
    given = settings.redis_url
    return given.get_secret_value() if given else EmbeddedServers(settings.home).redis_url()


def dbt_environment(settings: Settings) -> dict[str, str]:
    """What profiles.yml.example reads from the environment."""
    feeds = ",".join(feed.name for feed in feeds_of(settings))
    dsn = database.session_dsn(postgres_url(settings))
    return {**profile_environment(dsn), "WAREHOUSE_FEEDS": feeds}


def raise_if_pending(result: SyncResult) -> None:
    """Turn pending destinations into the error that the command line reports.

    Raises:
        DestinationsPending: naming them and what to do.
    """
    if not result.pending:
        return
    told = " ".join(f"{export.destination}: {export.error}" for export in result.pending)
    count = f"{len(result.pending)} of {len(result.exports)} destinations"
    if result.status == "dry_run":
        raise DestinationsPending(
            f"The dry run wrote nothing; {count} could not be written now. {told} Mend that first."
        )
    verb = "is" if len(result.pending) == 1 else "are"
    raise DestinationsPending(
        f"Publication {result.publication_id} is complete in PostgreSQL; {count} {verb} pending. "
        f"{told} `warehouse export` or the next sync finishes what is pending."
    )
