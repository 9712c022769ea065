"""A run as the ledger and the log see it: locked, recorded, and ended with a word."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from warehouse.clock import Clock
from warehouse.display import TimedStages
from warehouse.errors import FailedRun, ServiceUnavailable
from warehouse.exit_codes import INTERRUPTED, PENDING, exit_code_of, is_known
from warehouse.ledger import Run
from warehouse.publications import last_publication
from warehouse.retention import prune_runs, shown_runs
from warehouse.run_lock import run_lock
from warehouse.session import Warehouse, open_warehouse
from warehouse.settings import Settings
from warehouse.sync_request import SyncResult

PACKAGES = ("warehouse", "loader", "exporters", "expectations")

log = logging.getLogger(__name__)


@contextmanager
def recorded_run(
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
        try:
            with _logged(settings, run.run_id):
                prune_runs(settings, keep={run.run_id, *shown_runs(warehouse.connection)})
                yield warehouse, run
        except BaseException as error:
            stages.display.failed_run = _record_failure(settings, run, clock, stages, error)
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


def _code(error: BaseException) -> int:
    return exit_code_of(error) if isinstance(error, Exception) else INTERRUPTED


def _log_failure(run_id: str, error: BaseException) -> None:
    log.error(
        "event=run_failed run=%s exit_code=%s error=%r",
        run_id,
        _code(error),
        str(error),
        # Where the message alone would not tell a maintainer enough.
        exc_info=None if is_known(error) else error,
    )


def _record_failure(
    settings: Settings, run: Run, clock: Clock, stages: TimedStages, error: BaseException
) -> FailedRun:
    path = log_path(settings, run.run_id)
    found = path if path.exists() else None
    try:
        run.update(
            status="failed",
            exit_code=_code(error),
            error=str(error) or type(error).__name__,
            finished_at=clock.now(),
            stage_seconds=dict(stages.seconds),
        )
        publication = last_publication(run.connection)
        facts = publication.facts() if publication else None
        return FailedRun(run.run_id, found, run.report_path(), facts)
    except psycopg.Error:
        # The server is gone: the next run finds this one as died.
        return FailedRun(run.run_id, found, None, None)


def log_path(settings: Settings, run_id: str) -> Path:
    """Where a run's log goes."""
    return settings.logs / f"{run_id}.log"


def finish(run: Run, clock: Clock, result: SyncResult, stages: TimedStages) -> None:
    """Record how a run ended that did not fail, with what is still pending."""
    pending = result.pending
    run.update(
        status=result.status,
        stage="done",
        exit_code=PENDING if pending else 0,
        error="; ".join(f"{export.destination}: {export.error}" for export in pending) or None,
        stage_seconds=dict(stages.seconds),
        finished_at=clock.now(),
    )


@contextmanager
def _logged(settings: Settings, run_id: str) -> Iterator[None]:
    """A log file a run, under WAREHOUSE_HOME/logs."""
    try:
        settings.logs.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log_path(settings, run_id), delay=True)
    except OSError as error:
        raise ServiceUnavailable(
            f"WAREHOUSE_HOME ({settings.home}) cannot be written: {error}. Nothing was changed."
        ) from error
    handler.setFormatter(
        logging.Formatter("%(asctime)s level=%(levelname)s logger=%(name)s %(message)s")
    )
    root = logging.getLogger()
    for name in PACKAGES:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = bool(root.handlers) and logger.propagate
    try:
        yield
    except BaseException as error:
        _log_failure(run_id, error)
        raise
    finally:
        for name in PACKAGES:
            logging.getLogger(name).removeHandler(handler)
        handler.close()
