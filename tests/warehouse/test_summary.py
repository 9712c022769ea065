"""The closing lines: what was published, and what a person does next."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rich.console import Console

from exporters.destination import Outcome, Plan
from tests.warehouse.test_sample_guard import OF_KITE
from warehouse.destinations import Export
from warehouse.summary import next_step, print_sync
from warehouse.sync_request import SyncResult

WRITTEN = datetime(2026, 8, 17, 3, 11, 12, tzinfo=UTC)
UNCHANGED = Plan()
CHANGED = Plan(added=2, removed=1)


def exported(name: str, plan: Plan | None) -> Export:
    if plan is None:
        return Export(name, None, f"{name} is out of reach")
    return Export(name, Outcome(name, "complete", plan, 0.1))


def result(status: str, *exports: Export, filter_text: str = "nifty") -> SyncResult:
    return SyncResult(
        status, date(2026, 8, 17), filter_text, source="/dumps/kite.csv", publication_id=7,
        exports=exports, env_written_at=WRITTEN,
    )  # fmt: skip


def shown(of: SyncResult) -> str:
    out = io.StringIO()
    print_sync(Console(file=out, width=200), of, {})
    return out.getvalue()


def test_a_line_that_changed_means_a_restart_also_while_another_destination_is_pending() -> None:
    done = result("published", exported("redis", None), exported("dotenv", CHANGED))
    assert next_step(done) == (
        "mend what is pending, then `warehouse export` (or the next sync) finishes it; "
        "restart ingestion, so that it reads the new INSTRUMENTS line"
    )


def test_the_export_after_it_still_tells_who_has_to_be_restarted() -> None:
    """The run that wrote the line ended before it could say so, or its word went unread."""
    done = result("exported", exported("redis", CHANGED), exported("dotenv", UNCHANGED))
    assert next_step(done) == (
        "nothing, if ingestion started after 2026-08-17 08:41:12 IST, when .env was last "
        "written; restart it if it is older"
    )


def test_a_line_that_could_not_be_written_is_told_when_it_is() -> None:
    assert "ingestion" not in next_step(result("published", exported("dotenv", None)))


def test_a_filter_that_leaves_the_line_alone_needs_no_restart() -> None:
    done = result("published", exported("dotenv", UNCHANGED), filter_text="all")
    assert next_step(done) == "nothing to restart: the filter leaves the INSTRUMENTS line alone"


def test_the_samples_tokens_are_never_to_be_streamed() -> None:
    done = result("published", exported("dotenv", CHANGED))
    done.source = "sample"
    assert "made up: never stream them" in next_step(done)
    assert "source        sample" in shown(done)


def test_a_dry_run_says_that_a_destination_could_not_be_written() -> None:
    done = result("dry_run", exported("redis", None), exported("dotenv", CHANGED))
    assert "1 of 2 destinations cannot be written now" in shown(done)
    assert next_step(done) == "mend what cannot be written, then run it again without the dry run"


@pytest.mark.parametrize("report", [None, Path("/home/reports/r1/summary.html")])
def test_what_is_published_already_is_shown_as_fully_as_the_day_it_was(
    report: Path | None,
) -> None:
    done = result("already_published", exported("dotenv", UNCHANGED))
    summary = {"rows_by_exchange": {"NSE": 9_000, "NFO": 1_000}, "subscriptions": 1_689}
    done.before = replace(OF_KITE, summary=summary)
    done.earlier_report = str(report) if report else None
    told = shown(done)
    assert "Already published as 7" in told
    assert "rows          10,000: NSE 9,000, NFO 1,000" in told
    assert "subscriptions 1,689" in told
    assert ("report        /home/reports/r1/summary.html" in told) == (report is not None)
