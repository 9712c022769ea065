"""The closing lines of a run, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from exporters.postgres import Publication
from loader.source import SAMPLE
from warehouse.audit import Audit
from warehouse.clock import KOLKATA
from warehouse.filters import ALL
from warehouse.status import Status
from warehouse.sync_request import SyncResult

MINUTE, HOUR, DAY = 60, 3600, 86400


def print_sync(console: Console, result: SyncResult, seconds: Mapping[str, float]) -> None:
    """What was published, where it is, how long it took, what to do next."""
    console.print()
    console.print(_headline(result))
    if result.source:
        console.print(f"  source        {escape(result.source)}", soft_wrap=True)
    _print_content(console, result)
    _print_destinations(console, result)
    if result.report:
        console.print(f"  report        {escape(result.report)}", soft_wrap=True)
    if seconds:
        stages = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        told = f"  stages        {stages} (in all {sum(seconds.values()):.1f} s)"
        console.print(told, soft_wrap=True)
    console.print(f"  next          {next_step(result)}", soft_wrap=True)


def print_audit(console: Console, audit: Audit) -> None:
    """The verdict, why it is red, and where the report is."""
    colour = audit.verdict.colour
    console.print(f"\n[bold {colour}]The gate is {colour}[/] ({escape(audit.verdict.told)}).")
    for reason in audit.verdict.reasons:
        console.print(f"  {escape(reason)}", soft_wrap=True)
    console.print(f"  report {escape(str(audit.summary_html))}", soft_wrap=True)


def _headline(result: SyncResult) -> str:
    number = result.publication_id
    as_of = f"as of {result.as_of_date}, filter {escape(result.filter_text)}"
    if result.status == "already_published":
        return f"[bold green]Already published as {number}[/] ({as_of}); nothing was built."
    if result.status == "built":
        return f"[bold]Built the candidate[/] ({as_of}); nothing was audited or published."
    if result.status == "dry_run":
        unread = f" {told_of(result)} cannot be written now." if result.pending else ""
        return f"[bold]Dry run[/] ({as_of}): nothing was published or exported.{unread}"
    colour = "yellow" if result.pending else "green"
    done = {
        "exported": f"Exported publication {number}",
        "rolled_back": f"Rolled back, as publication {number}",
    }.get(result.status, f"Published as {number}")
    return f"[bold {colour}]{done}[/] ({as_of})."


def told_of(result: SyncResult) -> str:
    """How many destinations are pending: `1 of 5 destinations`."""
    return f"{len(result.pending)} of {len(result.exports)} destinations"


def _print_content(console: Console, result: SyncResult) -> None:
    if result.published is not None:
        exchanges = result.published.rows_by_exchange
        _print_counts(console, exchanges, result.published.subscriptions)
    elif result.status == "already_published" and result.before is not None:
        found = result.before.summary
        _print_counts(console, found.get("rows_by_exchange", {}), found.get("subscriptions", 0))
    if len(result.loads) > 1:
        feeds = ", ".join(f"{name} {load.told}" for name, load in result.loads.items())
        console.print(f"  feeds         {feeds}", soft_wrap=True)
    if result.published is not None:
        _print_tables(console, result.published)


def _print_counts(console: Console, exchanges: Mapping[str, int], subscriptions: int) -> None:
    told = ", ".join(f"{name} {rows:,}" for name, rows in exchanges.items())
    console.print(f"  rows          {sum(exchanges.values()):,}: {told}", soft_wrap=True)
    console.print(f"  subscriptions {subscriptions:,}")


def _print_tables(console: Console, published: Publication) -> None:
    tables = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    tables.add_column("  table")
    for name in ("added", "changed", "removed"):
        tables.add_column(name, justify="right")
    plans = {f"marts.{name}": plan for name, plan in published.tables.items()}
    if published.instruments is not None:
        plans["public.instruments"] = published.instruments
    for name, plan in plans.items():
        if not plan.is_empty:
            cells = (plan.added, plan.changed, plan.removed)
            tables.add_row(f"  {name}", *(f"{cell:,}" for cell in cells))
    if tables.row_count:
        console.print(tables)


def _print_destinations(console: Console, result: SyncResult) -> None:
    for export in result.exports:
        colour = "yellow" if export.is_pending else "default"
        console.print(
            f"  {export.destination:<17} [{colour}]{escape(export.told)}[/]", soft_wrap=True
        )


def next_step(result: SyncResult) -> str:
    """What a person does now, in one line."""
    if result.status == "built":
        return "`warehouse gate` audits it"
    if result.status == "dry_run":
        mend = "mend what cannot be written, then " if result.pending else ""
        return f"{mend}run it again without the dry run"
    if result.source == SAMPLE:
        return (
            "look around; the sample's tokens are made up: never stream them, never trade on them"
        )
    steps = ["mend what is pending, then `warehouse export` (or the next sync) finishes it"]
    return "; ".join([*(steps if result.pending else []), *_about_ingestion(result)])


def _about_ingestion(result: SyncResult) -> list[str]:
    """Whether what reads the INSTRUMENTS line, once at its start, has read this one."""
    dotenv = next((one for one in result.exports if one.destination == "dotenv"), None)
    if dotenv is not None and dotenv.outcome is None:
        return []  # it is told when the line is written
    if dotenv is not None and dotenv.outcome and not dotenv.outcome.plan.is_empty:
        return ["restart ingestion, so that it reads the new INSTRUMENTS line"]
    if result.filter_text == ALL:
        return ["nothing to restart: the filter leaves the INSTRUMENTS line alone"]
    if dotenv is None or result.env_written_at is None:
        return ["nothing: the subscription line is as it was"]
    # A run before this one may have written it, and have ended before it could say so.
    at = result.env_written_at.astimezone(KOLKATA)
    when = f"{at:%Y-%m-%d %H:%M:%S} IST, when .env was last written"
    return [f"nothing, if ingestion started after {when}; restart it if it is older"]


def print_status(console: Console, status: Status) -> None:
    """Verdict first, then the publication, then the last runs."""
    if status.is_safe:
        console.print("[bold green]Safe to trade on.[/]")
    else:
        console.print(
            f"[bold red]Not safe to trade on:[/] {escape('; '.join(status.reasons))}.",
            soft_wrap=True,
        )
    if status.replayed:
        console.print(f"[yellow]Judged as of that day: {escape(status.replayed)}.[/]")
    publication = status.publication
    if publication is not None:
        console.print(f"  {escape(publication.told)}", soft_wrap=True)
        if publication.source:
            console.print(f"  source {escape(publication.source)}", soft_wrap=True)
        if len(publication.feeds) > 1:
            console.print(f"  feeds {publication.told_feeds}", soft_wrap=True)
        if status.age_seconds is not None:
            console.print(f"  published {told_age(status.age_seconds)}")
        console.print(f"  subscriptions {publication.summary.get('subscriptions', 0):,}")
    if status.running:
        console.print(f"  [yellow]{escape(status.running)}[/]", soft_wrap=True)
    if status.runs:
        console.print(_table_of(status.runs))


def _table_of(runs: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("  last runs (UTC)", "command", "status", "as of", "publication", "exit"):
        table.add_column(name, no_wrap=True)
    for run in runs:
        facts = (run["status"], run["as_of_date"], run["publication_id"], run["exit_code"])
        told = ("" if fact is None else str(fact) for fact in facts)
        table.add_row(f"  {run['started_at']:%m-%d %H:%M:%S}", run["command"], *told)
    return table


def told_age(seconds: float) -> str:
    """How long ago, as people say it: 42 s ago, 7 min ago, 3.5 h ago, 2.1 days ago.

    A clock that was wrong, then or now, may put it into the future: 7 min ahead of the clock.
    """
    sense = "ago" if seconds >= 0 else "ahead of this machine's clock"
    length = abs(seconds)
    if length < MINUTE:
        return f"{length:.0f} s {sense}"
    if length < HOUR:
        return f"{length / MINUTE:.0f} min {sense}"
    if length < DAY:
        return f"{length / HOUR:.1f} h {sense}"
    return f"{length / DAY:.1f} days {sense}"
