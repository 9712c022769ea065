"""Days of before the first publication: built beside, one by one, then put before its history.

Each goes through a whole sync into a database of its own, which nobody reads, with its own
folder under WAREHOUSE_HOME; the last of them is the first published day itself, from the dump
that was published then. What history was written of them is copied in one transaction
(`exporters.postgres.history.earlier`). Consumers see nothing of it, and daily syncs go on beside
it. It may die anywhere: the same command goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from exporters.postgres import Earlier, put_before
from loader.archive import ENDINGS, content_sha256, keep_copy
from warehouse.audit import operator_name
from warehouse.backfill import Day, Plan
from warehouse.clock import Clock
from warehouse.display import Display, TimedStages
from warehouse.errors import AnotherSyncRunning, UsageError, WarehouseError
from warehouse.publications import FirstPublication, believed_days, first_publication
from warehouse.recorded_run import finish, recorded_run
from warehouse.session import open_warehouse
from warehouse.settings import Settings
from warehouse.side_database import SideDatabase
from warehouse.sync_request import SyncRequest, SyncResult

FOLDER = "backfill"
LOCK = "backfill.lock"

SyncDay = Callable[[Settings, date, SyncRequest, Display], object]


@dataclass(frozen=True, slots=True)
class _Task:
    """A day that is published beside: with which settings, and what its sync is asked."""

    as_of: date
    settings: Settings
    request: SyncRequest


def bring_earlier(
    settings: Settings,
    clock: Clock,
    plan: Plan,
    request: SyncRequest,
    *,
    display: Display,
    sync_day: SyncDay,
) -> Earlier:
    """Publish days beside and put them before the history.

    Args:
        settings: those of the warehouse.
        clock: the only one.
        plan: whose `earlier` days are wanted, and which has the dumps of the first day.
        request: what the sync of each is asked; whose file it is, is said here.
        display: where it is told.
        sync_day: runs one sync.

    Raises:
        UsageError: the dump of the first published day is not at hand; or it was a sample.
        AnotherSyncRunning: another backfill, or at the end another run.
        WarehouseError, LoaderError, ExportError: as of a sync.
    """
    side = SideDatabase(settings)
    with _alone(settings), side.held():
        with open_warehouse(settings, clock) as warehouse:
            first = first_publication(warehouse.connection)
        if first is None or first.is_sample:
            raise UsageError(
                "What was published first here was made up (the sample): real days cannot go "
                "before it. Nothing was started."
            )
        home = settings.home / FOLDER
        beside = settings.model_copy(update={**side.settings, "warehouse_home": home})
        tasks = [
            *(_task(beside, day, request) for day in plan.earlier),
            _first_task(beside, first, request, plan.at_hand(first.as_of_date), settings.landing),
        ]
        if not side.open(_digest(tasks)):
            shutil.rmtree(home, ignore_errors=True)
        with open_warehouse(beside, clock) as warehouse:
            held = believed_days(warehouse.connection)
        for number, task in enumerate(tasks, 1):
            if task.as_of not in held:
                display.note(f"day {number} of {len(tasks)} beside: {task.as_of}")
                with _told_as_beside(display):
                    sync_day(task.settings, task.as_of, task.request, display)
        _keep_dumps(beside, settings)
        earlier = _put_before(settings, clock, side, first, display)
        _discard(side, home)
    return earlier


def discard(settings: Settings) -> None:
    """Take away what a backfill left that died when its work was done."""
    home = settings.home / FOLDER
    if home.exists():
        side = SideDatabase(settings)
        with _alone(settings), side.held():
            _discard(side, home)


def _discard(side: SideDatabase, home: Path) -> None:
    side.drop()
    shutil.rmtree(home, ignore_errors=True)


def _task(beside: Settings, day: Day, request: SyncRequest) -> _Task:
    sources = day.sources(beside.feeds)
    asked = replace(request, feed_sources=sources, publish_only=True)
    return _Task(day.as_of, beside, asked)


def _first_task(
    beside: Settings,
    first: FirstPublication,
    request: SyncRequest,
    at_hand: Iterable[Path],
    landing: Path,
) -> _Task:
    """The first published day, as it was published: its feeds, dumps and filter.

    Raises:
        UsageError: a dump is not there any more.
    """
    found = {content_sha256(path): path for path in (*first.archived(landing), *at_hand)}
    sources: dict[str, str | None] = {}
    # Whom instruments are spelled by when Kite has none of them, is told by the order.
    for feed in sorted(first.dumps, key=[*beside.feeds, *first.dumps].index):
        sha256 = first.dumps[feed]
        if sha256 is not None and sha256 not in found:
            raise UsageError(
                f"History begins with {first.as_of_date}, and the {feed} dump that was published "
                f"then is needed to tell what became of each instrument. Neither {landing} nor "
                f"the folder has it any more. Nothing was started: put it into the folder, named "
                f"by its day (sha256 of its uncompressed bytes: {sha256})."
            )
        sources[feed] = None if sha256 is None else str(found[sha256])
    asked = replace(
        request, filter_text=first.filter, filter_names=tuple(first.filter.split(",")),
        feed_sources=sources, publish_only=True,
    )  # fmt: skip
    return _Task(first.as_of_date, beside.model_copy(update={"feeds": tuple(sources)}), asked)


def _digest(tasks: Sequence[_Task]) -> str:
    """What tells a plan from another: days, feeds, filter, and each file as it stands."""
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(f"{task.as_of} {task.request.filter_text}\n".encode())
        for feed, source in task.request.feed_sources.items():
            seen = Path(source).stat() if source else None
            told = f"{source} {seen.st_size} {seen.st_mtime_ns}" if seen else "none"
            digest.update(f"{feed} {told}\n".encode())
    return digest.hexdigest()


def _keep_dumps(beside: Settings, settings: Settings) -> None:
    """Archive the days' dumps where the warehouse's are: without them no day goes before these."""
    for path in sorted(beside.landing.rglob("*")):
        target = settings.landing / path.relative_to(beside.landing)
        if path.name.endswith(ENDINGS) and not target.exists():
            keep_copy(path, target)


def _put_before(
    settings: Settings,
    clock: Clock,
    side: SideDatabase,
    first: FirstPublication,
    display: Display,
) -> Earlier:
    stages = TimedStages(display)
    with (
        recorded_run(settings, clock, stages, "backfill") as (warehouse, run),
        warehouse.transaction_connection() as connection,
        side.connect() as reading,
    ):
        run.update(stage="publish", as_of_date=first.as_of_date, filter=first.filter)
        # In the ledger that stays: the one beside is dropped.
        accepted = reading.execute("select distinct on (rule) rule, reason from ops.acceptances")
        run.accept(dict(accepted.fetchall()), at=clock.now(), by=operator_name())
        with stages.stage("history", "putting the days before the first published one") as stage:
            earlier = put_before(connection, reading, published_at=clock.now(), run_id=run.run_id)
            stage.done(told(earlier, first.as_of_date))
        finish(run, clock, SyncResult("backfilled", first.as_of_date, first.filter), stages)
    return earlier


def told(earlier: Earlier, first_day: date) -> str:
    """What came of it, in a sentence."""
    count = len(earlier.days)
    return (
        f"{count} {'day' if count == 1 else 'days'} before {first_day}: {earlier.instruments:,} "
        f"instruments reach back, {earlier.departed:,} had left by then, {earlier.relisted:,} "
        f"came back later"
    )


@contextmanager
def _told_as_beside(display: Display) -> Iterator[None]:
    """A day that fails beside says what its own database shows, which nobody reads."""
    try:
        yield
    except WarehouseError as error:
        if display.failed_run is not None:
            display.failed_run = replace(display.failed_run, consumers_see=None)
        told = f"{error} This was built beside: consumers see what they saw."
        raise WarehouseError(told, exit_code=error.exit_code) from error


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One backfill at a time in one WAREHOUSE_HOME; the lock dies with its owner."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnotherSyncRunning(
                f"Another backfill is running in {settings.home}. Nothing was changed by this one."
            ) from None
        yield
