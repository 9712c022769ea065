"""What each verb of the command line does, without the command line."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from expectations.gate import GateWorker
from exporters.postgres import rollback_to
from warehouse import database, destinations
from warehouse.audit import Audit, AuditOf, Built, run_audit
from warehouse.build import DbtProject, profile_environment
from warehouse.clock import Clock
from warehouse.display import Display, QuietDisplay, TimedStages
from warehouse.errors import (
    DestinationsPending,
    ServiceUnavailable,
    UsageError,
)
from warehouse.exit_codes import GATE_RED, PENDING, exit_code_of, is_known
from warehouse.ledger import Run, last_publication, told_to_consumers
from warehouse.pipeline import run_sync
from warehouse.run_lock import run_lock
from warehouse.servers import EmbeddedServers
from warehouse.session import Warehouse, open_warehouse, postgres_url
from warehouse.settings import Settings
from warehouse.source import feed_of
from warehouse.status import Status, read_status
from warehouse.sync_request import SyncContext, SyncRequest, SyncResult

log = logging.getLogger(__name__)


def sync(
    settings: Settings, clock: Clock, request: SyncRequest, display: Display
) -> tuple[SyncResult, TimedStages]:
    """The whole way from a dump to every destination.

    Raises:
        WarehouseError, LoaderError, ExportError: see `warehouse.exit_codes`.
    """
    stages = TimedStages(display)
    command = "build" if request.build_only else "dry-run" if request.dry_run else "sync"
    with _run(settings, clock, stages, command) as (warehouse, run):
        context = SyncContext(
            warehouse=warehouse,
            request=request,
            run=run,
            stages=stages,
            feed=feed_of(settings),
            as_of=clock.as_of_date(),
            started_at=clock.now(),
        )
        result = run_sync(context)
        _finish(run, clock, result, stages)
    return result, stages


def export(settings: Settings, clock: Clock, display: Display, *, dry_run: bool) -> SyncResult:
    """Bring every destination to the last publication."""
    stages = TimedStages(display)
    with _run(settings, clock, stages, "export") as (warehouse, run):
        publication = last_publication(warehouse.connection)
        if publication is None:
            raise UsageError("Nothing has been published yet: run `warehouse sync` first.")
        result = SyncResult("exported", publication.as_of_date, publication.filter)
        result.publication_id = publication.publication_id
        run.update(stage="export", publication_id=publication.publication_id)
        if dry_run:
            result.status = "dry_run"
            result.exports = destinations.plan_all(warehouse, stages)
        else:
            result.exports = destinations.export_all(warehouse, stages, publication.publication_id)
        _finish(run, clock, result, stages)
    return result


def rollback(settings: Settings, clock: Clock, display: Display, *, to: int | None) -> SyncResult:
    """Put an earlier publication back everywhere, as a new publication."""
    stages = TimedStages(display)
    with (
        _run(settings, clock, stages, "rollback") as (warehouse, run),
        warehouse.transaction_connection() as connection,
    ):
        before = last_publication(connection)
        target = to if to is not None else (before.publication_id - 1 if before else 0)
        if before is None or not 1 <= target < before.publication_id:
            raise UsageError(
                f"There is no publication {target} to go back to. {told_to_consumers(before)}."
            )
        run.update(stage="publish")
        with stages.stage("publish", f"putting publication {target} back") as stage:
            published = rollback_to(
                connection,
                target,
                run_id=run.run_id,
                published_at=clock.now(),
                destinations=destinations.NAMES,
            )
            stage.done(f"publication {published.publication_id} has the content of {target}")
        run.update(stage="export", publication_id=published.publication_id)
        after = last_publication(connection)
        assert after is not None  # noqa: S101  # it was published a line ago
        result = SyncResult("rolled_back", after.as_of_date, after.filter)
        result.publication_id, result.published, result.before = (
            published.publication_id,
            published,
            before,
        )
        result.exports = destinations.export_all(warehouse, stages, published.publication_id)
        _finish(run, clock, result, stages)
    return result


def gate(settings: Settings, clock: Clock, display: Display) -> Audit:
    """Audit the candidate as it stands, with dbt's tests; nothing is published.

    Raises:
        UsageError: there is no candidate yet.
    """
    stages = TimedStages(display)
    with (
        _run(settings, clock, stages, "gate") as (warehouse, run),
        warehouse.transaction_connection() as connection,
        GateWorker.start() as worker,
    ):
        of = _built_last(connection, run.run_id, clock)
        run.update(stage="gate", filter=of.filter_text, as_of_date=of.as_of_date)
        project = DbtProject(warehouse.dsn, settings.home / "dbt")
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
    """What the ledger says, and what every destination really holds."""
    with open_warehouse(settings, clock) as warehouse:
        stages = TimedStages(QuietDisplay())
        is_published = last_publication(warehouse.connection) is not None
        exports = destinations.plan_all(warehouse, stages) if is_published else ()
        return read_status(warehouse.connection, clock, exports)


def docs(settings: Settings, clock: Clock) -> Path:
    """Write the dbt docs of the published schema and return where."""
    with open_warehouse(settings, clock) as warehouse:
        project = DbtProject(warehouse.dsn, settings.home / "dbt")
        return project.docs(settings.home / "docs")


def last_report(settings: Settings) -> Path | None:
    """The newest report's page."""
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
    return profile_environment(database.session_dsn(postgres_url(settings)))


@contextmanager
def _run(
    settings: Settings, clock: Clock, stages: TimedStages, command: str
) -> Iterator[tuple[Warehouse, Run]]:
    """An open warehouse, the run lock, and a row in the ledger that says how it ended."""
    with _services(settings, clock, stages) as warehouse, run_lock(warehouse.connection):
        now = clock.now()
        run = Run.start(
            warehouse.connection,
            run_id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
            command=command,
            started_at=now,
        )
        with _logged(settings, run.run_id):
            try:
                yield warehouse, run
            except BaseException as error:
                _record_failure(run, clock, stages, error)
                raise


@contextmanager
def _services(settings: Settings, clock: Clock, stages: TimedStages) -> Iterator[Warehouse]:
    with stages.stage("start", "reaching PostgreSQL") as stage:
        opened = open_warehouse(settings, clock)
        warehouse = opened.__enter__()
        stage.done("PostgreSQL answers")
    try:
        yield warehouse
    finally:
        opened.__exit__(None, None, None)


def _record_failure(run: Run, clock: Clock, stages: TimedStages, error: BaseException) -> None:
    code = exit_code_of(error) if isinstance(error, Exception) else 130
    log.error(
        "event=run_failed run=%s exit_code=%s error=%r",
        run.run_id,
        code,
        str(error),
        # Where the message alone would not tell a maintainer enough.
        exc_info=None if is_known(error) else error,
    )
    try:
        run.update(
            status="failed",
            exit_code=code,
            error=str(error) or type(error).__name__,
            finished_at=clock.now(),
            stage_seconds=dict(stages.seconds),
        )
    except psycopg.Error:
        # The server is gone: the next run finds this one as died.
        log.warning("event=ledger_unreachable run=%s", run.run_id)


def _finish(run: Run, clock: Clock, result: SyncResult, stages: TimedStages) -> None:
    pending = result.pending
    run.update(
        status=result.status,
        stage="done",
        exit_code=PENDING if pending else 0,
        error="; ".join(f"{export.destination}: {export.error}" for export in pending) or None,
        stage_seconds=dict(stages.seconds),
        finished_at=clock.now(),
    )


def raise_if_pending(result: SyncResult) -> None:
    """Turn pending destinations into the error that the command line reports.

    Raises:
        DestinationsPending: naming them and what to do.
    """
    if result.pending and result.status != "dry_run":
        told = " ".join(f"{export.destination}: {export.error}" for export in result.pending)
        raise DestinationsPending(
            f"Publication {result.publication_id} is complete in PostgreSQL; "
            f"{len(result.pending)} of {len(result.exports)} destinations are pending. {told} "
            f"`warehouse export` or the next sync finishes what is pending."
        )


@contextmanager
def _logged(settings: Settings, run_id: str) -> Iterator[None]:
    """A log file a run, under WAREHOUSE_HOME/logs."""
    try:
        settings.logs.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(settings.logs / f"{run_id}.log", delay=True)
    except OSError as error:
        raise ServiceUnavailable(
            f"WAREHOUSE_HOME ({settings.home}) cannot be written: {error}. Nothing was changed."
        ) from error
    handler.setFormatter(
        logging.Formatter("%(asctime)s level=%(levelname)s logger=%(name)s %(message)s")
    )
    root = logging.getLogger()
    names = ("warehouse", "loader", "exporters", "expectations")
    for name in names:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = bool(root.handlers) and logger.propagate
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(handler)
        handler.close()
