"""The verb `backfill`. The rest of the command line is in `cli`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from loader.feeds import KITE
from warehouse import cli
from warehouse.display import Display
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from exporters.postgres import Earlier
    from warehouse.backfill import Day, Plan
    from warehouse.sync_request import SyncRequest, SyncResult


@cli.app.command()
def backfill(
    folder: Annotated[Path, typer.Argument(help="Dumps named, or in folders named, by a day.")],
    *,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Only from that day on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="Only to that day.")
    ] = None,
    filter_text: cli.Filter = "nifty",
    accept: cli.Accept = None,
    no_export: Annotated[
        bool,
        typer.Option("--no-export", help="Leave Redis, .env and files alone on the last day too."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which days and files, and do nothing.")
    ] = False,
    as_json: cli.AsJson = False,
    quiet: cli.Quiet = False,
) -> None:
    """Replay a folder of dated dumps in order, each through the whole sync; resumable.

    Days before the first published one go into the history alone; consumers see nothing of them.
    """
    with cli.reported(as_json=as_json, quiet=quiet) as display:
        from warehouse import earlier_days  # noqa: PLC0415  # see the docstring of `cli`
        from warehouse.backfill import find_days, plan_backfill, within  # noqa: PLC0415
        from warehouse.commands import published_days  # noqa: PLC0415

        settings, clock = cli.settings_and_clock(None)
        found = find_days(folder.expanduser().resolve(), settings.feeds)
        days = within(found, cli.read_day("--since", since), cli.read_day("--until", until))
        plan = plan_backfill(days, found, published_days(settings, clock))
        if dry_run:
            _show_plan(display, plan, settings)
            return
        request = cli.request_of(filter_text, KITE.name, accept=accept)
        for day in (*plan.earlier, *plan.days):
            for path in day.left_out:
                display.warn(f"{path} is left out: another dump of that day was written later")
        earlier = None
        if plan.earlier:
            earlier = earlier_days.bring_earlier(
                settings, clock, plan, request, display=display, sync_day=_sync_day
            )
        else:
            earlier_days.discard(settings)
        done = []
        for number, day in enumerate(plan.days, 1):
            display.note(f"day {number} of {len(plan.days)}: {day.as_of}")
            # Consumers outside PostgreSQL see the last day only, not every day go by.
            asked = _asked(request, day, settings, is_quiet=no_export or number < len(plan.days))
            done.append(_published(_sync_day(settings, day.as_of, asked, display), asked))
        _close(display, plan, done, earlier)


def _asked(request: SyncRequest, day: Day, settings: Settings, *, is_quiet: bool) -> SyncRequest:
    # A feed without a dump that day is missing, as it was; never asked for over the network,
    # where there is today's.
    return replace(request, feed_sources=day.sources(settings.feeds), publish_only=is_quiet)


def _show_plan(display: Display, plan: Plan, settings: Settings) -> None:
    feeds = settings.feeds

    def told(days: tuple[Day, ...]) -> list[dict[str, Any]]:
        return [
            {
                "as_of": day.as_of.isoformat(),
                "dumps": day.sources(feeds),
                "left_out": [str(path) for path in day.left_out],
            }
            for day in days
        ]

    def lines(console: Console) -> None:
        for day in (*plan.earlier, *plan.days):
            for feed, path in day.sources(feeds).items():
                console.print(f"{day.as_of}  {feed:<10} {path or 'no dump'}", soft_wrap=True)
            for other in day.left_out:
                console.print(f"{day.as_of}  left out   {other}, written earlier", soft_wrap=True)
        if plan.earlier:
            console.print(f"Days to put before the first published one: {len(plan.earlier)}.")
        console.print(
            f"Days to publish: {len(plan.days)}; published already: {len(plan.published)}."
        )

    document = {"earlier": told(plan.earlier), "days": told(plan.days)}
    display.close(document | {"skipped": plan.published_days}, lines)


def _sync_day(
    settings: Settings, as_of: date, request: SyncRequest, display: Display
) -> SyncResult:
    from warehouse import commands  # noqa: PLC0415  # see the docstring of `cli`
    from warehouse.clock import Clock  # noqa: PLC0415

    try:
        result, _ = commands.sync(
            settings.model_copy(update={"as_of": as_of}), Clock(as_of=as_of), request, display
        )
    except Exception as error:
        told = f"The backfill stopped at {as_of}: {error} Run it again to go on from there."
        raise WarehouseError(told, exit_code=cli.exit_code(error)) from error
    return result


def _published(result: SyncResult, request: SyncRequest) -> dict[str, Any]:
    from warehouse.commands import raise_if_pending  # noqa: PLC0415  # see the docstring of `cli`

    if not request.publish_only:
        raise_if_pending(result)
    return result.facts()


def _close(
    display: Display, plan: Plan, done: list[dict[str, Any]], earlier: Earlier | None
) -> None:
    document: dict[str, Any] = {"published": done, "skipped": plan.published_days, "earlier": None}
    if earlier is not None:
        document["earlier"] = {
            "days": [day.isoformat() for day in earlier.days],
            "instruments": earlier.instruments,
            "departed": earlier.departed,
            "relisted": earlier.relisted,
        }

    def lines(console: Console) -> None:
        if earlier is not None:
            console.print(
                f"\n[bold green]{_count(len(earlier.days))} put before the history[/], which "
                f"begins with {earlier.days[0]} now; consumers see what they saw"
            )
        told = f"[bold green]{_count(len(done))} published[/]"
        if done:
            told += f", {done[0]['as_of_date']} to {done[-1]['as_of_date']}"
        console.print(f"\n{told}; {len(plan.published)} were published already.")

    display.close(document, lines)


def _count(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"
