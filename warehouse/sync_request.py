"""What a sync is asked, what it works with, and what came of it: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from exporters.postgres import Publication
from loader.feeds import Feed
from warehouse.audit import Audit
from warehouse.destinations import Export
from warehouse.display import TimedStages
from warehouse.exit_codes import PENDING
from warehouse.ledger import Run
from warehouse.publications import LastPublication
from warehouse.session import Warehouse


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What one sync is asked to do.

    Attributes:
        filter_text: the filter, as the ledger shows it.
        filter_names: its parts, checked.
        source: `kite`, `sample`, a file or a URL.
        dry_run: plan everything, publish nothing.
        force: build even what is published already.
        accepted: gate rules that may pass once, with an operator's reason.
        build_only: stop after the build.
        feed_sources: a file for a feed, instead of what its settings say; None where there is no
            dump of it that day, and none is to be asked for.
        publish_only: leave the destinations outside PostgreSQL as they are, pending.
    """

    filter_text: str
    filter_names: tuple[str, ...]
    source: str
    dry_run: bool = False
    force: bool = False
    accepted: Mapping[str, str] = field(default_factory=dict)
    build_only: bool = False
    feed_sources: Mapping[str, str | None] = field(default_factory=dict)
    publish_only: bool = False


def dump_identity(sha256: str, as_of: date, is_stale: bool) -> str:  # noqa: FBT001  # a fact
    """A dump as the fingerprint of a publication takes it."""
    return f"{sha256} stale since {as_of}" if is_stale else sha256


@dataclass(frozen=True, slots=True)
class FeedLoad:
    """One feed's part in a build.

    Attributes:
        load_id: its load in `ops.loads`; None when no dump of it was ever landed.
        as_of_date: the trading day that its dump describes.
        sha256: of the dump's uncompressed bytes; empty without one.
        rows: how many rows were landed in this run.
        is_stale: whether the dump is that of the last publication, for want of a new one.
        trouble: why there is no new one; empty where there is.
    """

    load_id: int | None
    as_of_date: date
    sha256: str
    rows: int
    is_stale: bool
    trouble: str = ""

    @property
    def identity(self) -> str:
        """What tells its dump from another."""
        return dump_identity(self.sha256, self.as_of_date, self.is_stale)

    @property
    def told(self) -> str:
        """A few words for the closing summary."""
        if self.load_id is None:
            return "none yet"
        return f"stale, of {self.as_of_date}" if self.is_stale else f"{self.rows:,}"

    def facts(self) -> dict[str, Any]:
        """Plain values, as `ops.publications.summary` keeps them."""
        return {
            "load_id": self.load_id,
            "as_of_date": self.as_of_date.isoformat(),
            "sha256": self.sha256,
            "is_stale": self.is_stale,
            "trouble": self.trouble or None,
        }


@dataclass(frozen=True, slots=True)
class SyncContext:
    """What every step of one sync works with."""

    warehouse: Warehouse
    request: SyncRequest
    run: Run
    stages: TimedStages
    feeds: tuple[Feed, ...]
    as_of: date
    started_at: datetime


@dataclass(slots=True)
class SyncResult:
    """What came of it; `status` is one of those of `ops.sync_runs`.

    Attributes:
        source: where Kite's dump came from, now or when it was published.
        before: the publication before this run.
        earlier_report: the report of what is published, where this run audited nothing.
        env_written_at: when the file that ingestion reads was last written, by whomever.
    """

    status: str
    as_of_date: date
    filter_text: str
    source: str = ""
    publication_id: int | None = None
    published: Publication | None = None
    audit: Audit | None = None
    exports: tuple[Export, ...] = ()
    before: LastPublication | None = None
    loads: Mapping[str, FeedLoad] = field(default_factory=dict)
    earlier_report: str | None = None
    env_written_at: datetime | None = None

    @property
    def report(self) -> str | None:
        """The audit's page for people."""
        return str(self.audit.summary_html) if self.audit else self.earlier_report

    @property
    def pending(self) -> tuple[Export, ...]:
        """Destinations that still show an older publication."""
        return tuple(export for export in self.exports if export.is_pending)

    def facts(self) -> dict[str, Any]:
        """The result as plain values, for `--json`."""
        return {
            "status": self.status,
            "exit_code": PENDING if self.pending else 0,
            "as_of_date": self.as_of_date.isoformat(),
            "filter": self.filter_text,
            "source": self.source,
            "publication_id": self.publication_id,
            "rows_landed": self.loads["kite"].rows if self.loads else None,
            "feeds": {
                name: {**load.facts(), "rows": load.rows} for name, load in self.loads.items()
            },
            **(_published_facts(self.published) if self.published else {}),
            "verdict": self.audit.verdict.colour if self.audit else None,
            "report": self.report,
            "destinations": [export.facts() for export in self.exports],
        }


def _published_facts(published: Publication) -> dict[str, Any]:
    plans = dict(published.tables)
    if published.instruments is not None:
        plans["public.instruments"] = published.instruments
    return {
        "rows_by_exchange": dict(published.rows_by_exchange),
        "subscriptions": published.subscriptions,
        "migrations": list(published.migrations),
        "tables": {
            name: {"added": plan.added, "changed": plan.changed, "removed": plan.removed}
            for name, plan in plans.items()
        },
    }
