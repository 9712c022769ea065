"""Every destination besides PostgreSQL, made from the settings, exported in turn.

A destination that fails does not undo the others: the ledger says what is pending, and the
next sync or `warehouse export` finishes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from exporters.destination import Destination, Outcome, export
from exporters.dotenv import DotenvLine
from exporters.errors import ExportError
from exporters.files import KINDS, FileExport, FileWorker, file_destination
from exporters.postgres import record_export
from exporters.published import PUBLISHED_SCHEMA
from exporters.redis import RedisHashes
from warehouse.database import tables_exist
from warehouse.display import Advance, TimedStages
from warehouse.errors import DestinationsPending, ServiceUnavailable
from warehouse.session import Warehouse

log = logging.getLogger(__name__)

Maker = Callable[[Warehouse, psycopg.Connection, str], Destination]


def _redis(warehouse: Warehouse, connection: psycopg.Connection, schema: str) -> Destination:
    return RedisHashes(
        warehouse.redis_url,
        connection,
        ttl_seconds=warehouse.settings.redis_ttl_seconds,
        schema=schema,
    )


def _dotenv(warehouse: Warehouse, connection: psycopg.Connection, schema: str) -> Destination:
    return DotenvLine(
        warehouse.settings.env_file, connection, now=warehouse.clock.now, schema=schema
    )


def _file(name: str) -> Maker:
    def made(warehouse: Warehouse, connection: psycopg.Connection, schema: str) -> Destination:
        return file_destination(name, _path(warehouse, name), connection, schema)

    return made


def _path(warehouse: Warehouse, name: str) -> Path:
    path: Path = getattr(warehouse.settings, f"{name}_path")
    return path


FILES = tuple(KINDS)
# What a trading program reads first comes first.
MAKERS: dict[str, Maker] = {
    "redis": _redis,
    "dotenv": _dotenv,
    **{name: _file(name) for name in FILES},
}
_OF_SEVERAL_FEEDS = {"canonical_instruments"}
_CANONICAL_VIEW = f"{PUBLISHED_SCHEMA}.exp_yaml__canonical_instruments"


def names(warehouse: Warehouse, schema: str = PUBLISHED_SCHEMA) -> tuple[str, ...]:
    """The destinations of what is published, or of another schema's candidate.

    With Kite alone there are no brokers to map, and no file of them is begun. One that was written
    before is kept up, for whoever reads it: the view that it is written from stays published.
    """
    settings = warehouse.settings
    has_map = len(settings.feeds) > 1 or (
        schema == PUBLISHED_SCHEMA
        and settings.canonical_instruments_path.exists()
        and tables_exist(warehouse.connection, _CANONICAL_VIEW)
    )
    return tuple(name for name in MAKERS if has_map or name not in _OF_SEVERAL_FEEDS)


@dataclass(frozen=True, slots=True)
class Export:
    """What became of one destination: an outcome, or the error that left it pending."""

    destination: str
    outcome: Outcome | None
    error: str = ""
    digest: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it still has to be written."""
        return self.outcome is None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing at all to write."""
        return self.outcome is not None and self.outcome.plan.is_empty

    @property
    def differs(self) -> bool:
        """Whether a reader would see something else than the publication."""
        if self.outcome is None:
            return True
        plan = self.outcome.plan
        return bool(plan.added or plan.changed or plan.removed)

    @property
    def told(self) -> str:
        """A few words for a line of the summary."""
        if self.outcome is None:
            return f"PENDING: {self.error}"
        plan = self.outcome.plan
        if plan.is_empty:
            return plan.note or "unchanged"
        verb = "planned" if self.outcome.status == "planned" else "written"
        counts = f"{plan.added:,} added, {plan.changed:,} changed, {plan.removed:,} removed"
        has_news = plan.added or plan.changed or plan.removed
        told = f"{verb}: {counts}" if has_news else f"{verb}: nothing but the marker"
        return f"{told} ({plan.note})" if plan.note else told

    def facts(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        plan = self.outcome.plan if self.outcome else None
        return {
            "destination": self.destination,
            "status": self.outcome.status if self.outcome else "pending",
            "added": plan.added if plan else None,
            "changed": plan.changed if plan else None,
            "removed": plan.removed if plan else None,
            "error": self.error or None,
        }


def plan_all(
    warehouse: Warehouse, stages: TimedStages, *, schema: str = PUBLISHED_SCHEMA
) -> tuple[Export, ...]:
    """What an export of the publication, or of the candidate, would write; nothing is written."""
    attempts = _each(warehouse, stages, schema, is_dry_run=True)
    return tuple(done for done, *_ in attempts)


@contextmanager
def following(publication_id: int | None) -> Iterator[None]:
    """What follows a publication: PostgreSQL that goes away now takes nothing back.

    Args:
        publication_id: which; None where nothing was published, and errors are what they are.

    Raises:
        DestinationsPending: saying so, in place of what would tell that nothing was published.
    """
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, ServiceUnavailable) as error:
        if publication_id is None:
            raise
        raise DestinationsPending(
            f"Publication {publication_id} is complete in PostgreSQL, which went away before all "
            f"that follows was done: {' '.join(str(error).split())} Each destination shows this "
            f"publication or the one before, whole. Run `warehouse export` when PostgreSQL is back."
        ) from error


def export_all(
    warehouse: Warehouse,
    stages: TimedStages,
    publication_id: int,
    *,
    worker: FileWorker | None = None,
) -> tuple[Export, ...]:
    """Bring every destination to the publication, and write in the ledger what came of it.

    Args:
        warehouse: an open warehouse.
        stages: where they are told.
        publication_id: the last publication.
        worker: the process that exports the files; without one, this process does.

    Raises:
        DestinationsPending: PostgreSQL went away.
    """
    exports = []
    with following(publication_id):
        for done, started_at, finished_at in _each(
            warehouse, stages, PUBLISHED_SCHEMA, is_dry_run=False, worker=worker
        ):
            record_export(
                warehouse.connection,
                publication_id,
                done.destination,
                status="failed" if done.is_pending else "complete",
                plan=done.outcome.plan if done.outcome else None,
                started_at=started_at,
                finished_at=finished_at,
                error=done.error or None,
                digest=done.digest,
            )
            exports.append(done)
    return tuple(exports)


def _each(
    warehouse: Warehouse,
    stages: TimedStages,
    schema: str,
    *,
    is_dry_run: bool,
    worker: FileWorker | None = None,
) -> Iterator[tuple[Export, datetime, datetime]]:
    """Files beside the others: PostgreSQL spells them while Python packs the hashes of Redis."""

    def timed(name: str) -> tuple[Export, datetime, datetime]:
        started_at = warehouse.clock.now()
        with stages.stage(name, f"exporting to {name}") as stage:
            done = _beside(worker, warehouse, name) if worker and name in FILES else None
            if done is None:
                done = _attempt(warehouse, name, schema, stage.advance, is_dry_run=is_dry_run)
            stage.done(done.told)
        return done, started_at, warehouse.clock.now()

    with ThreadPoolExecutor(1) as pool:
        wanted = names(warehouse, schema)
        files = [pool.submit(timed, name) for name in wanted if name in FILES]
        yield from map(timed, (name for name in wanted if name not in FILES))
        for file in files:
            yield file.result()


def _beside(worker: FileWorker, warehouse: Warehouse, name: str) -> Export | None:
    """A file, exported by the process beside this one; None when that has no answer."""
    done = worker.export(FileExport(name, _path(warehouse, name), warehouse.dsn))
    if done is None:
        return None
    if done.outcome is None:
        log.error("event=export_failed destination=%s error=%s", name, done.refused)
    return Export(name, done.outcome, done.refused, digest=done.digest)


def _attempt(
    warehouse: Warehouse, name: str, schema: str, advance: Advance, *, is_dry_run: bool
) -> Export:
    """One destination; its trouble leaves it pending.

    Raises:
        ServiceUnavailable, psycopg.OperationalError: PostgreSQL is gone, which ends the run.
    """
    with warehouse.transaction_connection() as connection:
        try:
            destination = MAKERS[name](warehouse, connection, schema)
            if isinstance(destination, RedisHashes):
                destination.on_progress = lambda done, total: advance(done, total, "writing keys")
            outcome = export(destination, dry_run=is_dry_run)
            digest = None if is_dry_run else getattr(destination, "digest", None)
            return Export(name, outcome, digest=digest)
        except (ExportError, ServiceUnavailable) as error:
            log.exception("event=export_failed destination=%s", name)
            return Export(name, None, str(error))
        except psycopg.OperationalError:
            raise
        except Exception as error:
            # A defect in one destination must not keep the others from being written.
            log.exception("event=export_broken destination=%s", name)
            told = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
            return Export(name, None, f"{told} This is a defect; the log holds the details.")
