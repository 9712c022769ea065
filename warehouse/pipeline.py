"""The sync: fetch, land, build, gate, publish, export. Each step may die; a rerun converges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psycopg

from expectations.gate import GateWorker
from exporters.files import FileWorker
from exporters.postgres import (
    Publication,
    PublishRequest,
    SubscriptionsChangedMeanwhile,
    candidate_oids,
    capture_overrides,
    hides_hand_changes,
    pending_exports,
    prune_undo,
    publish,
    unpublished_overrides,
    verify_published,
)
from warehouse import audit, destinations
from warehouse.build import BuildReport, DbtProject
from warehouse.candidate import audit_candidate, build_candidate, require_whole
from warehouse.errors import GateRed, UsageError
from warehouse.fingerprint import fingerprint, project_digest
from warehouse.intake import FeedDump, fetch_dumps, land_dumps
from warehouse.publications import LastPublication, last_publication, told_to_consumers
from warehouse.refusal import land_instead_of_refused
from warehouse.settings import DBT_PROJECT
from warehouse.sync_request import FeedLoad, SyncContext, SyncResult

CANDIDATE = "candidate"
# A hand change of subscriptions between build and publication means building again.
BUILDS_AT_MOST = 3


def run_sync(context: SyncContext) -> SyncResult:
    """Run a sync; the caller holds the run lock.

    Raises:
        LoaderError: the dump cannot be had, or is refused.
        BuildFailed: dbt cannot build the candidate.
        GateRed: the audit refuses it.
        ExportError: PostgreSQL refuses the publication.
    """
    request = context.request
    with ExitStack() as stack:
        connection = stack.enter_context(context.warehouse.transaction_connection())
        result = SyncResult("running", context.as_of, request.filter_text)
        result.before = last_publication(connection)
        connection.commit()
        _capture_hand_changes(context, connection, is_first=result.before is None)
        _refuse_older_day(context, result.before)
        dumps = fetch_dumps(context, connection, result.before)
        result.source = dumps[0].source
        if _is_published(context, connection, result.before, dumps) and _repair(
            context, connection, result
        ):
            return result
        worker = stack.enter_context(GateWorker.start())
        settings = context.warehouse.settings
        project = DbtProject(context.warehouse.dsn, settings.home / "dbt", settings.feeds)
        # Importing and parsing is Python's work, landing is PostgreSQL's: side by side. A dump that
        # is refused is told at once, not when dbt has been imported.
        pool = ThreadPoolExecutor(1)
        stack.callback(pool.shutdown, wait=False)
        preparing = pool.submit(project.prepare)
        result.loads = land_dumps(context, connection, dumps, preparing, result.before)
        if request.build_only:
            require_whole(build_candidate(context, connection, result.loads, project))
            result.status = "built"
            return result
        is_replaced = any(dump.identity != result.loads[dump.feed.name].identity for dump in dumps)
        if is_replaced and _is_published_after_all(context, connection, result):
            return result
        return _publish_audited(
            context, connection, stack, project=project, worker=worker, result=result
        )


def _capture_hand_changes(
    context: SyncContext, connection: psycopg.Connection, *, is_first: bool
) -> None:
    changed = capture_overrides(
        connection,
        recorded_at=context.warehouse.clock.now(),
        next_filter=context.request.filter_text,
        as_of=context.as_of,
    )
    if changed and is_first:
        context.stages.display.note(
            f"{changed:,} rows of public.instruments are active already; they stay so, as overrides"
        )
    elif changed:
        context.stages.display.note(
            f"{changed:,} subscriptions were changed by hand; they are kept as overrides"
        )
    elif not is_first and hides_hand_changes(connection):
        context.stages.display.warn(
            "marts.active_subscriptions or marts.broker_instruments is not as it was published: "
            "what was switched by hand in public.instruments since the last sync cannot be told "
            "from that damage, and this publication writes over it; switch it again afterwards"
        )


def _refuse_older_day(context: SyncContext, before: LastPublication | None) -> None:
    """History goes forward, and so do consumers; a build alone publishes nothing.

    Raises:
        UsageError: the as-of date is before that of the last publication.
    """
    if before is None or context.as_of >= before.as_of_date or context.request.build_only:
        return
    raise UsageError(
        f"The as-of date {context.as_of} is before that of {before.told}. Nothing was started; "
        f"{told_to_consumers(before)[:1].lower()}{told_to_consumers(before)[1:]}. To go back, "
        f"`warehouse rollback` puts an earlier publication back; `warehouse backfill` puts days "
        f"before the first published one; `warehouse build` looks at one."
    )


def _fingerprint(context: SyncContext, dumps: Mapping[str, str]) -> str:
    return fingerprint(
        dumps=dumps,
        as_of_date=context.as_of,
        filter_text=context.request.filter_text,
        reference_prices=context.warehouse.settings.reference_prices,
        project=project_digest(DBT_PROJECT),
    )


def _is_published(
    context: SyncContext,
    connection: psycopg.Connection,
    before: LastPublication | None,
    dumps: Sequence[FeedDump],
) -> bool:
    if context.request.build_only:
        return False
    identities = {found.feed.name: found.identity for found in dumps}
    return _is_last(context, connection, before, identities)


def _is_last(
    context: SyncContext,
    connection: psycopg.Connection,
    before: LastPublication | None,
    dumps: Mapping[str, str],
) -> bool:
    """Whether the last publication was built from these dumps, and is wished as it is."""
    if before is None or context.request.force:
        return False
    is_same = before.fingerprint == _fingerprint(context, dumps)
    return is_same and not unpublished_overrides(connection)


def _is_published_after_all(
    context: SyncContext, connection: psycopg.Connection, result: SyncResult
) -> bool:
    """The same for what was landed: what stands in for a refused dump is what was published."""
    dumps = {name: load.identity for name, load in result.loads.items()}
    return _is_last(context, connection, result.before, dumps) and _repair(
        context, connection, result
    )


def _repair(context: SyncContext, connection: psycopg.Connection, result: SyncResult) -> bool:
    """The same dump again: build nothing, verify everything, mend what differs.

    Returns false when the published tables themselves were damaged: then the candidate is built
    again and published by difference.
    """
    assert result.before is not None  # noqa: S101  # it is what the dump was compared with
    is_dry_run = context.request.dry_run
    context.run.update(stage="verify")
    with ThreadPoolExecutor(1) as pool:
        # PostgreSQL compares its tables while the other destinations are read.
        checking = pool.submit(_verify, context, connection)
        plans = destinations.plan_all(context.warehouse, context.stages)
        differences = checking.result()
    for difference in differences:
        context.stages.display.warn(difference)
    if any(difference.startswith("marts.") for difference in differences):
        return False
    result.publication_id = result.before.publication_id
    context.run.update(publication_id=result.publication_id)
    is_settled = all(plan.is_empty for plan in plans) and not pending_exports(connection)
    is_to_write = not (is_settled or is_dry_run)
    result.exports = _export(context, result.publication_id) if is_to_write else plans
    result.status = "dry_run" if is_dry_run else "already_published"
    return True


def _verify(context: SyncContext, connection: psycopg.Connection) -> list[str]:
    with context.stages.stage("verify", "comparing the published tables") as stage:
        differences = verify_published(
            connection,
            repair_legacy=not context.request.dry_run,
            now=context.warehouse.clock.now(),
        )
        stage.done("as published" if not differences else "differs from what was published")
    return differences


def _publish_audited(
    context: SyncContext,
    connection: psycopg.Connection,
    stack: ExitStack,
    *,
    project: DbtProject,
    worker: GateWorker,
    result: SyncResult,
) -> SyncResult:
    """Build, audit and publish; what is opened on the way is left with the stack.

    Again from the build when subscriptions changed meanwhile, or when the dump of another broker
    than Kite is all that the gate refuses: then with what was published of it.
    """
    files: FileWorker | None = None
    for attempt in range(1, BUILDS_AT_MOST + 1):
        report = build_candidate(context, connection, result.loads, project)
        oids = candidate_oids(connection, CANDIDATE, report.published_names)
        built = audit.Built(project, report.broken)
        try:
            result.audit = audit_candidate(context, connection, worker, built, result=result)
        except GateRed:
            is_last_build = attempt == BUILDS_AT_MOST
            if is_last_build or not land_instead_of_refused(context, connection, result):
                raise
            if _is_published_after_all(context, connection, result):
                return result
            continue
        request = _publish_request(context, report, result.loads, oids)
        if context.request.dry_run:
            return _plan_only(context, connection, request, result)
        if not (files or context.request.publish_only):
            # It imports what it needs while PostgreSQL publishes.
            files = stack.enter_context(closing(FileWorker.start()))
        try:
            result.published = _publish(context, connection, request)
            # Its memory is wanted by the exports, and there is nothing more to audit.
            worker.close()
            break
        except SubscriptionsChangedMeanwhile:
            if attempt == BUILDS_AT_MOST:
                raise
            context.stages.display.note(
                "subscriptions were changed by hand during the build; building again with them"
            )
    assert result.published is not None  # noqa: S101  # published, or raised
    assert result.audit is not None  # noqa: S101  # and audited before that
    result.publication_id = result.published.publication_id
    result.exports = _export(context, result.publication_id, files)
    result.status = "published"
    try:
        audit.write_again(
            result.audit,
            published=result.published,
            exports=result.exports,
            stage_seconds=context.stages.seconds,
        )
    except OSError as error:
        context.stages.display.warn(
            f"the report still tells the candidate, as it could not be written again: {error}"
        )
    return result


def _publish_request(
    context: SyncContext,
    report: BuildReport,
    loads: Mapping[str, FeedLoad],
    oids: Mapping[str, int],
) -> PublishRequest:
    main = loads[context.feeds[0].name]
    return PublishRequest(
        candidate_schema=CANDIDATE,
        tables=report.published_names,
        as_of_date=context.as_of,
        run_id=context.run.run_id,
        load_id=main.load_id,
        filter=context.request.filter_text,
        dump_sha256=main.sha256,
        fingerprint=_fingerprint(context, {name: load.identity for name, load in loads.items()}),
        feeds={name: load.facts() for name, load in loads.items()},
        published_at=context.warehouse.clock.now(),
        destinations=destinations.names(context.warehouse),
        expected_oids=oids,
    )


def _publish(
    context: SyncContext, connection: psycopg.Connection, request: PublishRequest
) -> Publication:
    context.run.update(stage="publish")
    with context.stages.stage("publish", "publishing by difference, in one transaction") as stage:
        published = publish(connection, request)
        stage.done(f"publication {published.publication_id}")
    with destinations.following(published.publication_id):
        context.run.update(publication_id=published.publication_id)
        prune_undo(connection, context.warehouse.settings.rollback_keep_publications)
    return published


def _plan_only(
    context: SyncContext,
    connection: psycopg.Connection,
    request: PublishRequest,
    result: SyncResult,
) -> SyncResult:
    with context.stages.stage("plan", "comparing with what is published") as stage:
        result.published = publish(connection, request, plan_only=True)
        stage.done("planned; nothing was written")
    result.exports = destinations.plan_all(context.warehouse, context.stages, schema=CANDIDATE)
    result.status = "dry_run"
    return result


def _export(
    context: SyncContext, publication_id: int, files: FileWorker | None = None
) -> tuple[destinations.Export, ...]:
    if context.request.publish_only:
        return ()
    context.run.update(stage="export")
    return destinations.export_all(context.warehouse, context.stages, publication_id, worker=files)
