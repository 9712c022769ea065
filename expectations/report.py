"""The report of a run: `summary.html` for people, `summary.json` for machines. Both self-contained.

The page loads nothing: no script, no style sheet, no font, no image; a content security policy in
it says so to the browser. Everything that came from a dump is escaped, and characters that do not
show (or that turn text around) are shown as escapes.

`summary.json`, version 1:

    version            1
    run                run_id, started_at (ISO, UTC), as_of_date, source (redacted), dump_sha256,
                       filter, publication_id (null until published), stage_seconds {stage: s}
    verdict            colour (green | red), told (one line), evaluated, reasons [text],
                       unused_acceptances [rule]
    consumers_see      what consumers see now, one or two sentences
    results            [rule, title, severity, status, observed, limit, unexpected_count,
                       samples [{column: text}], explanation, action, origin (gate | dbt),
                       accepted_reason], errors first
    rows_by_exchange   {exchange: {now, before}}; before is null where it is not known
    changes            [change, count, active_count, samples [{column: text}]]
    touched            count, rows [{column: text}]: what changed of subscribed instruments, at
                       every broker; the first 200
    plan               [destination, added, changed, removed, note]
    brokers            [broker, as_of_date, is_stale, rows, by_status {status: rows}, left_out,
                       rejected, counted [exchange, kind, status, reason, rows, samples],
                       matched, matched_before {exchange: part of one, of all under ""},
                       disagreements {what: count}, disagreement_samples [{column: text}],
                       changes as above]
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2

from expectations.audit import RuleResult, visible
from expectations.changes import Change, Touched
from expectations.chart import exchange_bars
from expectations.coverage import BrokerCoverage
from expectations.verdict import Verdict

HTML_NAME: Final = "summary.html"
JSON_NAME: Final = "summary.json"
JSON_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class PlanLine:
    """What publishing does, or would do, to one destination."""

    destination: str
    added: int
    changed: int
    removed: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReportContext:
    """The facts of a run that the results do not hold.

    Attributes:
        run_id: names the run.
        started_at: an aware instant.
        as_of_date: the trading day of the dump.
        source: where the dump came from, without credentials.
        dump_sha256: of the uncompressed bytes.
        filter: the subscription filter as typed.
        rows_now: instruments by exchange in the candidate.
        rows_before: the same of the last publication; empty before the first.
        changes: what changed since the last publication.
        touched: what of it, at any broker, is about subscribed instruments.
        consumers_see: what consumers see now, one or two sentences.
        stage_seconds: how long each stage took, in order.
        publication_id: the number under which the candidate was published, or None.
        plan: what publishing does, or would do, destination by destination.
        brokers: what each broker's rows are, Kite first.
        data_docs: the path of the Data Docs, relative to the report.
    """

    run_id: str
    started_at: datetime
    as_of_date: date
    source: str
    dump_sha256: str
    filter: str
    rows_now: Mapping[str, int] = field(default_factory=dict)
    rows_before: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    touched: Touched = field(default_factory=Touched)
    consumers_see: str = ""
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    publication_id: int | None = None
    plan: tuple[PlanLine, ...] = ()
    brokers: tuple[BrokerCoverage, ...] = ()
    data_docs: str = "data_docs/index.html"


def write_report(verdict: Verdict, context: ReportContext, folder: Path) -> Path:
    """Writes both files, each whole or not at all; gives the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    document = as_document(verdict, context)
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    _replace(folder / JSON_NAME, text + "\n")
    page = folder / HTML_NAME
    _replace(page, as_page(verdict, context))
    return page


def as_document(verdict: Verdict, context: ReportContext) -> dict[str, Any]:
    """The content of `summary.json`."""
    return {
        "version": JSON_VERSION,
        "run": {
            "run_id": context.run_id,
            "started_at": context.started_at.isoformat(),
            "as_of_date": context.as_of_date.isoformat(),
            "source": context.source,
            "dump_sha256": context.dump_sha256,
            "filter": context.filter,
            "publication_id": context.publication_id,
            "stage_seconds": {
                stage: round(seconds, 3) for stage, seconds in context.stage_seconds.items()
            },
        },
        "verdict": {
            "colour": verdict.colour,
            "told": verdict.told,
            "evaluated": verdict.evaluated,
            "reasons": list(verdict.reasons),
            "unused_acceptances": list(verdict.unused_acceptances),
        },
        "consumers_see": context.consumers_see,
        "results": [result.as_json() for result in _worst_first(verdict.results)],
        "rows_by_exchange": {
            exchange: {
                "now": context.rows_now.get(exchange, 0),
                "before": context.rows_before.get(exchange, 0) if context.rows_before else None,
            }
            for exchange in sorted({*context.rows_now, *context.rows_before})
        },
        "changes": [change.as_json() for change in context.changes],
        "touched": context.touched.as_json(),
        "plan": [asdict(line) for line in context.plan],
        "brokers": [broker.as_json() for broker in context.brokers],
    }


def as_page(verdict: Verdict, context: ReportContext) -> str:
    """The content of `summary.html`."""
    results = verdict.results
    return _template().render(
        verdict=verdict,
        context=context,
        blocking=verdict.red_results,
        accepted=verdict.accepted,
        warnings=verdict.warnings,
        passed=[result for result in results if result.status == "passed"],
        not_applicable=[result for result in results if result.status == "not_applicable"],
        bars=exchange_bars(context.rows_now, context.rows_before),
        has_data_docs=any(each.is_evaluated and each.origin == "gate" for each in results),
        total_seconds=sum(context.stage_seconds.values()),
    )


@cache
def _template() -> jinja2.Template:
    """Compiled once: a run writes its report before and after the publication."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("expectations", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    return environment.get_template("summary.html.jinja")


_ORDER: Final[Mapping[str, int]] = {
    "failed": 0,
    "not_evaluated": 1,
    "accepted": 2,
    "warned": 3,
    "not_applicable": 4,
    "passed": 5,
}


def _worst_first(results: Iterable[RuleResult]) -> list[RuleResult]:
    return sorted(results, key=lambda each: (each.severity != "error", _ORDER[each.status]))


def _replace(path: Path, text: str) -> None:
    """Writes a file whole: a reader sees the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    temporary.replace(path)


__all__ = [
    "HTML_NAME",
    "JSON_NAME",
    "Change",
    "PlanLine",
    "ReportContext",
    "as_document",
    "as_page",
    "write_report",
]
