"""The closing lines of a run, for people."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from warehouse.audit import Audit
from warehouse.filters import ALL
from warehouse.status import Status
from warehouse.sync_request import SyncResult

MINUTE, HOUR, DAY = 60, 3600, 86400


def print_sync(console: Console, result: SyncResult, seconds: Mapping[str, float]) -> None:
    """What was published, where it is, how long it took, what to do next."""
    console.print()
    console.print(_headline(result))
    if result.published is not None:
        _print_content(console, result)
    _print_destinations(console, result)
    if result.audit is not None:
        console.print(f"  report        {escape(str(result.audit.summary_html))}", soft_wrap=True)
    if seconds:
        stages = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        told = f"  stages        {stages} (in all {sum(seconds.values()):.1f} s)"
        console.print(told, soft_wrap=True)
    console.print(f"  next          {_next_step(result)}")


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
    if result.status == "dry_run":
        return f"[bold]Dry run[/] ({as_of}): nothing was published or exported."
    colour = "yellow" if result.pending else "green"
    done = {
        "exported": f"Exported publication {number}",
        "rolled_back": f"Rolled back, as publication {number}",
    }.get(result.status, f"Published as {number}")
    return f"[bold {colour}]{done}[/] ({as_of})."


def _print_content(console: Console, result: SyncResult) -> None:
    assert result.published is not None  # noqa: S101  # checked by the caller
    published = result.published
    exchanges = published.rows_by_exchange
    told = ", ".join(f"{name} {rows:,}" for name, rows in exchanges.items())
    console.print(f"  rows          {sum(exchanges.values()):,}: {told}", soft_wrap=True)
    console.print(f"  subscriptions {published.subscriptions:,}")
    if len(result.loads) > 1:
        feeds = ", ".join(f"{name} {load.told}" for name, load in result.loads.items())
        console.print(f"  feeds         {feeds}", soft_wrap=True)
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


def _next_step(result: SyncResult) -> str:
    if result.status == "dry_run":
        return "run it again without the dry run"
    if result.pending:
        return "mend what is pending, then `warehouse export` (or the next sync) finishes it"
    dotenv = next((e.outcome for e in result.exports if e.destination == "dotenv"), None)
    if dotenv is None or dotenv.plan.is_empty or result.filter_text == ALL:
        return "nothing: the subscription line is as it was"
    return "restart ingestion, so that it reads the new INSTRUMENTS line"


def print_status(console: Console, status: Status) -> None:
    """Verdict first, then the publication, then the last runs."""
    if status.is_safe:
        console.print("[bold green]Safe to trade on.[/]")
    else:
        console.print(
            f"[bold red]Not safe to trade on:[/] {escape('; '.join(status.reasons))}.",
            soft_wrap=True,
        )
    publication = status.publication
    if publication is not None:
        console.print(f"  {publication.told}", soft_wrap=True)
        if len(publication.feeds) > 1:
            console.print(f"  feeds {publication.told_feeds}", soft_wrap=True)
        if status.age_seconds is not None:
            console.print(f"  published {told_age(status.age_seconds)} ago")
        console.print(f"  subscriptions {publication.summary.get('subscriptions', 0):,}")
    if status.runs:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("  last runs (UTC)", "command", "status", "as of", "publication", "exit"):
            table.add_column(name, no_wrap=True)
        for run in status.runs:
            facts = (run["status"], run["as_of_date"], run["publication_id"], run["exit_code"])
            told = ("" if fact is None else str(fact) for fact in facts)
            table.add_row(f"  {run['started_at']:%m-%d %H:%M:%S}", run["command"], *told)
        console.print(table)


def told_age(seconds: float) -> str:
    """A duration as people say it: 42 s, 7 min, 3.5 h, 2.1 days."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < DAY:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / DAY:.1f} days"
