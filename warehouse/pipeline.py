"""The sync: fetch, land, build, gate, publish, export. Each step may die; a rerun converges."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg

from expectations.gate import GateWorker
from exporters.postgres import (
    Publication,
    PublishRequest,
    SubscriptionsChangedMeanwhile,
    candidate_oids,
    capture_overrides,
    prune_undo,
    publish,
    unpublished_overrides,
    verify_published,
)
from loader.archive import prune
from loader.fetch import Dump, fetch
from loader.landing import Load, land
from warehouse import audit, destinations
from warehouse.build import BuildReport, DbtProject
from warehouse.display import TimedStages
from warehouse.errors import GateRed, ServiceUnavailable
from warehouse.filters import ALL
from warehouse.fingerprint import fingerprint, project_digest
from warehouse.ledger import (
    BuildParameters,
    LastPublication,
    Run,
    last_publication,
    told_to_consumers,
    write_build_parameters,
)
from warehouse.session import Warehouse
from warehouse.settings import DBT_PROJECT
from warehouse.source import feed_of, fetch_options, known_validator

log = logging.getLogger(__name__)

CANDIDATE = "candidate"
FEED = "kite"
# A hand change of subscriptions between build and publication means building again.
BUILDS_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What one sync is asked to do.

    `accepted` maps the name of a gate rule to an operator's reason for letting it pass once.
    """

    filter_text: str
    filter_names: tuple[str, ...]
    source: str = FEED
    dry_run: bool = False
    force: bool = False
    accepted: Mapping[str, str] = field(default_factory=dict)
    build_only: bool = False


@dataclass(slots=True)
class SyncResult:
    """What came of it; `status` is one of those of `ops.sync_runs`."""

    status: str
    as_of_date: date
    filter_text: str
    source: str = ""
    publication_id: int | None = None
    published: Publication | None = None
    audit: audit.Audit | None = None
    exports: tuple[destinations.Export, ...] = ()
    before: LastPublication | None = None
    load: Load | None = None


class Sync:
    """One run of the pipeline, holding the run lock.

    Args:
        warehouse: an open warehouse.
        request: what to do.
        run: this run's row in the ledger.
        stages: where progress is shown and timed.
    """

    def __init__(
        self, warehouse: Warehouse, request: SyncRequest, run: Run, stages: TimedStages
    ) -> None:
        self.warehouse = warehouse
        self.request = request
        self.run = run
        self.stages = stages
        self.as_of = warehouse.clock.as_of_date()
        self.feed = feed_of(warehouse.settings)
        self.started_at = warehouse.clock.now()

    def __call__(self) -> SyncResult:
        """Run it.

        Raises:
            LoaderError: the dump cannot be had, or is refused.
            BuildFailed: dbt cannot build the candidate.
            GateRed: the audit refuses it.
            ExportError: PostgreSQL refuses the publication.
        """
        with ExitStack() as stack:
            connection = stack.enter_context(self.warehouse.transaction_connection())
            before = last_publication(connection)
            self._capture_overrides(connection)
            dump = self._fetch(connection)
            result = SyncResult("running", self.as_of, self.request.filter_text, dump.source)
            result.before = before
            if self._is_published(connection, before, dump):
                assert before is not None  # noqa: S101  # it is what was compared with
                repaired = self._repair(connection, result, before)
                if repaired is not None:
                    return repaired
            worker = stack.enter_context(GateWorker.start())
            project = DbtProject(self.warehouse.dsn, self.warehouse.settings.home / "dbt")
            # Importing and parsing is Python's work, landing is PostgreSQL's: side by side.
            pool = stack.enter_context(ThreadPoolExecutor(1))
            preparing = pool.submit(project.prepare)
            result.load = self._land(connection, dump, preparing)
            return self._build_and_publish(connection, dump, project, worker, result)

    # --- steps ------------------------------------------------------------------------------

    def _capture_overrides(self, connection: psycopg.Connection) -> None:
        changed = capture_overrides(connection, recorded_at=self.warehouse.clock.now())
        if changed:
            self.stages.display.note(
                f"{changed:,} subscriptions were changed by hand; they are kept as overrides"
            )

    def _fetch(self, connection: psycopg.Connection) -> Dump:
        settings = self.warehouse.settings
        self.run.update(stage="fetch", source=self.request.source, as_of_date=self.as_of)
        with self.stages.stage("fetch", f"getting the {FEED} dump") as stage:
            dump = fetch(
                self.request.source,
                self.feed,
                as_of=self.as_of,
                landing=settings.landing,
                options=fetch_options(settings, self.request.filter_text),
                known=known_validator(connection, self.feed),
                on_progress=lambda done, total: stage.advance(done, total, "downloading"),
            )
            stage.done(f"{dump.size / 1e6:.1f} MB from {dump.source}, sha256 {dump.sha256[:12]}")
        self.run.update(source=dump.source)
        return dump

    def _fingerprint(self, dump: Dump) -> str:
        return fingerprint(
            dump_sha256=dump.sha256,
            as_of_date=self.as_of,
            filter_text=",".join(self.request.filter_names),
            reference_prices=self.warehouse.settings.reference_prices,
            project=project_digest(DBT_PROJECT),
        )

    def _is_published(
        self, connection: psycopg.Connection, before: LastPublication | None, dump: Dump
    ) -> bool:
        if before is None or self.request.force or self.request.build_only:
            return False
        return before.fingerprint == self._fingerprint(dump) and not unpublished_overrides(
            connection
        )

    def _repair(
        self, connection: psycopg.Connection, result: SyncResult, before: LastPublication
    ) -> SyncResult | None:
        """The same dump again: build nothing, verify everything, mend what differs.

        Returns `None` when the published tables themselves were damaged: then the candidate is
        built again and published by difference.
        """
        self.run.update(stage="verify")
        with self.stages.stage("verify", "comparing the published tables") as stage:
            differences = verify_published(
                connection,
                repair_legacy=not self.request.dry_run,
                now=self.warehouse.clock.now(),
            )
            stage.done("as published" if not differences else "differs from what was published")
        for difference in differences:
            self.stages.display.warn(difference)
        if any(difference.startswith("marts.") for difference in differences):
            return None
        self.run.update(publication_id=before.publication_id)
        result.publication_id = before.publication_id
        result.exports = self._export(before.publication_id)
        result.status = "dry_run" if self.request.dry_run else "already_published"
        return result

    def _land(
        self, connection: psycopg.Connection, dump: Dump, preparing: Future[None]
    ) -> Load:
        self.run.update(stage="land")
        with self.stages.stage("land", "copying into staging") as stage:
            load = land(
                connection,
                dump,
                self.feed,
                as_of=self.as_of,
                started_at=self.warehouse.clock.now(),
                now=self.warehouse.clock.now,
                on_progress=lambda done, total: stage.advance(done, total, "copying into staging"),
            )
            stage.done(f"{load.rows:,} rows")
        for warning in load.warnings:
            self.stages.display.warn(warning)
        self.run.update(load_id=load.load_id)
        prune(
            self.warehouse.settings.landing,
            self.feed.name,
            self.warehouse.settings.landing_keep_days,
            keep={dump.path},
        )
        with self.stages.stage("parse", "reading the dbt project") as stage:
            preparing.result()
            stage.done("dbt project parsed")
        return load

    def _build(self, connection: psycopg.Connection, load: Load, project: DbtProject) -> BuildReport:
        request = self.request
        write_build_parameters(
            connection,
            BuildParameters(
                load_id=load.load_id,
                feed=FEED,
                as_of_date=self.as_of,
                filter=request.filter_text,
                filter_names=() if request.filter_names == (ALL,) else request.filter_names,
                reference_prices=self.warehouse.settings.reference_prices,
            ),
        )
        connection.commit()
        self.run.update(stage="build", filter=request.filter_text)
        with self.stages.stage("build", "building the candidate with dbt") as stage:
            report = project.build(lambda done, total, name: stage.advance(done, total, name))
            if report.broken:
                self._still_there(connection)
            failed = sum(test.status == "fail" for test in report.tests)
            stage.done(
                f"{len(report.nodes) - len(report.tests)} models and seeds, "
                f"{len(report.tests)} tests, {failed} failed"
            )
        return report

    def _still_there(self, connection: psycopg.Connection) -> None:
        """A model that broke because the server went away is an outage, not a red gate."""
        try:
            connection.execute("select 1")
            connection.commit()
        except psycopg.OperationalError as error:
            raise ServiceUnavailable(
                f"PostgreSQL went away during the build: {' '.join(str(error).split())} Nothing "
                f"was published; consumers keep what they have. Run the command again."
            ) from error

    def _build_and_publish(
        self,
        connection: psycopg.Connection,
        dump: Dump,
        project: DbtProject,
        worker: GateWorker,
        result: SyncResult,
    ) -> SyncResult:
        assert result.load is not None  # noqa: S101  # landed before this is called
        for attempt in range(1, BUILDS_AT_MOST + 1):
            report = self._build(connection, result.load, project)
            if self.request.build_only:
                result.status = "dry_run"
                return result
            oids = candidate_oids(connection, CANDIDATE, report.published_names)
            connection.commit()
            result.audit = self._audit(connection, worker, report, result, dump)
            if self.request.dry_run:
                return self._plan_only(connection, dump, report, result)
            try:
                self._publish(connection, dump, report, result, oids)
                break
            except SubscriptionsChangedMeanwhile:
                connection.rollback()
                if attempt == BUILDS_AT_MOST:
                    raise
                self.stages.display.note(
                    "subscriptions were changed by hand during the build; building again with them"
                )
        assert result.published is not None  # noqa: S101  # published, or raised
        result.publication_id = result.published.publication_id
        result.exports = self._export(result.published.publication_id)
        result.status = "published"
        audit.write_again(
            result.audit,
            publication_id=result.publication_id,
            stage_seconds=self.stages.seconds,
        )
        return result

    def _audit(
        self,
        connection: psycopg.Connection,
        worker: GateWorker,
        report: BuildReport,
        result: SyncResult,
        dump: Dump,
    ) -> audit.Audit:
        self.run.update(stage="gate")
        with self.stages.stage("gate", "auditing the candidate") as stage:
            outcome = audit.run_audit(
                self.warehouse,
                connection,
                worker,
                report,
                audit.AuditOf(
                    run_id=self.run.run_id,
                    started_at=self.started_at,
                    as_of_date=self.as_of,
                    filter_text=self.request.filter_text,
                    source=dump.source,
                    dump_sha256=dump.sha256,
                    accepted=dict(self.request.accepted),
                    before=result.before,
                    stage_seconds=self.stages.seconds,
                ),
            )
            stage.done(outcome.verdict.told)
        self.run.update(verdict=outcome.verdict.colour, report_path=str(outcome.summary_html))
        self.run.accept(
            outcome.accepted, at=self.warehouse.clock.now(), by=audit.operator_name()
        )
        for line in outcome.warnings:
            self.stages.display.warn(line)
        if not outcome.verdict.is_green:
            raise GateRed(
                f"The gate is red: {' '.join(outcome.verdict.reasons)} Nothing was published. "
                f"{told_to_consumers(result.before)}. Read {outcome.summary_html}; then wait for a "
                f"better dump, or let one rule pass once with --accept RULE=reason."
            )
        return outcome

    def _publish_request(
        self,
        connection: psycopg.Connection,
        dump: Dump,
        report: BuildReport,
        load_id: int,
        oids: Mapping[str, int] | None,
    ) -> PublishRequest:
        return PublishRequest(
            candidate_schema=CANDIDATE,
            tables=report.published_names,
            as_of_date=self.as_of,
            run_id=self.run.run_id,
            load_id=load_id,
            filter=self.request.filter_text,
            dump_sha256=dump.sha256,
            fingerprint=self._fingerprint(dump),
            published_at=self.warehouse.clock.now(),
            destinations=destinations.NAMES,
            expected_oids=oids,
        )

    def _publish(
        self,
        connection: psycopg.Connection,
        dump: Dump,
        report: BuildReport,
        result: SyncResult,
        oids: Mapping[str, int],
    ) -> None:
        assert result.load is not None  # noqa: S101  # landed before
        self.run.update(stage="publish")
        with self.stages.stage("publish", "publishing by difference, in one transaction") as stage:
            request = self._publish_request(
                connection, dump, report, result.load.load_id, oids
            )
            result.published = publish(connection, request)
            stage.done(f"publication {result.published.publication_id}")
        self.run.update(publication_id=result.published.publication_id)
        prune_undo(connection, self.warehouse.settings.rollback_keep_publications)
        connection.commit()

    def _plan_only(
        self, connection: psycopg.Connection, dump: Dump, report: BuildReport, result: SyncResult
    ) -> SyncResult:
        assert result.load is not None  # noqa: S101  # landed before
        with self.stages.stage("plan", "comparing with what is published") as stage:
            request = self._publish_request(
                connection, dump, report, result.load.load_id, None
            )
            result.published = publish(connection, request, plan_only=True)
            stage.done("planned; nothing was written")
        result.exports = destinations.plan_all(self.warehouse, self.stages)
        result.status = "dry_run"
        return result

    def _export(self, publication_id: int) -> tuple[destinations.Export, ...]:
        self.run.update(stage="export")
        if self.request.dry_run:
            return destinations.plan_all(self.warehouse, self.stages)
        return destinations.export_all(self.warehouse, self.stages, publication_id)


def facts_of(result: SyncResult) -> dict[str, Any]:
    """The result as plain values, for `--json`."""
    return {
        "status": result.status,
        "as_of_date": result.as_of_date.isoformat(),
        "filter": result.filter_text,
        "source": result.source,
        "publication_id": result.publication_id,
        **(_published_facts(result.published) if result.published else {}),
        "verdict": result.audit.verdict.colour if result.audit else None,
        "report": str(result.audit.summary_html) if result.audit else None,
        "destinations": [export.facts() for export in result.exports],
    }


def _published_facts(published: Publication) -> dict[str, Any]:
    return {
        "rows_by_exchange": dict(published.rows_by_exchange),
        "subscriptions": published.subscriptions,
        "migrations": list(published.migrations),
        "tables": {
            name: {"added": plan.added, "changed": plan.changed, "removed": plan.removed}
            for name, plan in published.tables.items()
        },
    }
