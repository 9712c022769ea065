"""The verbs of history: lookup, changes, backfill. The rest of the command line is in `cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from loader.feeds import KITE
from warehouse import cli
from warehouse.display import Display
from warehouse.errors import UsageError, WarehouseError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from warehouse.backfill import Plan

NOT_FOUND = 1
SEVERAL = 2


@cli.app.command()
def lookup(
    what: Annotated[
        str,
        typer.Argument(help="A canonical id, a symbol or a token; NSE:1333 names its exchange."),
    ],
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="The day; default the last one.")
    ] = None,
    broker: Annotated[
        str | None, typer.Option("--broker", help="Whose symbol or token; a token is Kite's.")
    ] = None,
    as_json: cli.AsJson = False,
) -> None:
    """What an instrument was on a day, its versions, and what happened since.

    Ends with 1 if there was none, with 2 if several are called so.
    """
    with cli.reported(as_json=as_json):
        from warehouse.history import look_up  # noqa: PLC0415  # see the docstring of `cli`
        from warehouse.history_view import print_looked  # noqa: PLC0415
        from warehouse.session import open_warehouse  # noqa: PLC0415

        settings, clock = cli.settings_and_clock(None)
        with open_warehouse(settings, clock) as warehouse:
            looked = look_up(warehouse.connection, what, at=_day("--at", at), broker=broker)
        if as_json:
            cli.print_json(looked.facts())
        else:
            print_looked(Console(highlight=False), looked)
        if not looked.is_found:
            raise typer.Exit(SEVERAL if looked.answer == "several" else NOT_FOUND)


@cli.app.command()
def changes(
    *,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="From that day on; default the last one."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="To that day; default the last.")
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option("--event", help="Only such, as strike_adjusted; may be given again."),
    ] = None,
    broker: Annotated[
        str | None, typer.Option("--broker", help="Only what is this broker's own.")
    ] = None,
    as_json: cli.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every event as a line of CSV.")] = False,
) -> None:
    """What changed: listed, expired, renamed, adjusted; and what of it touches subscriptions."""
    with cli.reported(as_json=as_json):
        from warehouse.changes import ask, document, each, groups  # noqa: PLC0415  # see `cli`
        from warehouse.history_view import print_changes, write_csv  # noqa: PLC0415
        from warehouse.session import open_warehouse  # noqa: PLC0415

        if as_json and as_csv:
            raise UsageError("--json and --csv are two answers: ask for one.")
        settings, clock = cli.settings_and_clock(None)
        with open_warehouse(settings, clock) as warehouse:
            connection = warehouse.connection
            asked = ask(
                connection, since=_day("--since", since), until=_day("--until", until),
                events=event or (), broker=broker,
            )  # fmt: skip
            if as_json:
                cli.print_json(document(connection, asked))
            elif as_csv:
                write_csv(sys.stdout, each(connection, asked))
            else:
                print_changes(
                    Console(highlight=False), asked, groups(connection, asked),
                    each(connection, asked, of_subscriptions=True),
                )  # fmt: skip


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
    """Replay a folder of dated dumps in order, each through the whole sync; resumable."""
    with cli.reported(as_json=as_json, quiet=quiet) as display:
        from warehouse.backfill import find_days, plan_backfill, within  # noqa: PLC0415  # as above
        from warehouse.commands import published_days  # noqa: PLC0415

        settings, clock = cli.settings_and_clock(None)
        found = find_days(folder.expanduser().resolve(), settings.feeds)
        days = within(found, _day("--since", since), _day("--until", until))
        plan = plan_backfill(days, published_days(settings, clock))
        if dry_run:
            _show_plan(display, plan, settings.feeds)
            return
        done: list[dict[str, Any]] = []
        for number, day in enumerate(plan.days, 1):
            display.note(f"day {number} of {len(plan.days)}: {day.as_of}")
            for path in day.left_out:
                display.warn(f"{path} is left out: another dump of that day was written later")
            request = replace(
                cli.request_of(filter_text, KITE.name, accept=accept),
                # A feed without a dump that day is missing, as it was; never asked for over the
                # network, where there is today's.
                feed_sources=day.sources(settings.feeds),
                # Consumers outside PostgreSQL see the last day only, not every day go by.
                publish_only=no_export or number < len(plan.days),
            )
            done.append(_sync_day(settings, day.as_of, request, display))
        _close(display, done, plan.published)


def _show_plan(display: Display, plan: Plan, feeds: Sequence[str]) -> None:
    document = {
        "days": [
            {
                "as_of": day.as_of.isoformat(),
                "dumps": day.sources(feeds),
                "left_out": [str(path) for path in day.left_out],
            }
            for day in plan.days
        ],
        "skipped": [day.isoformat() for day in plan.published],
    }

    def lines(console: Console) -> None:
        for day in plan.days:
            for feed, path in day.sources(feeds).items():
                console.print(f"{day.as_of}  {feed:<10} {path or 'no dump'}", soft_wrap=True)
            for other in day.left_out:
                console.print(f"{day.as_of}  left out   {other}, written earlier", soft_wrap=True)
        console.print(
            f"Days to publish: {len(plan.days)}; published already: {len(plan.published)}."
        )

    display.close(document, lines)


def _sync_day(settings: Settings, as_of: date, request: Any, display: Display) -> dict[str, Any]:
    from warehouse import commands  # noqa: PLC0415  # see the docstring of `cli`
    from warehouse.clock import Clock  # noqa: PLC0415

    try:
        result, _ = commands.sync(
            settings.model_copy(update={"as_of": as_of}), Clock(as_of=as_of), request, display
        )
    except Exception as error:
        told = f"The backfill stopped at {as_of}: {error} Run it again to go on from there."
        raise WarehouseError(told, exit_code=cli.exit_code(error)) from error
    if not request.publish_only:
        commands.raise_if_pending(result)
    return result.facts()


def _close(display: Display, done: list[dict[str, Any]], skipped: tuple[date, ...]) -> None:
    document = {"published": done, "skipped": [day.isoformat() for day in skipped]}

    def lines(console: Console) -> None:
        told = f"[bold green]{len(done)} days published[/]"
        if done:
            told += f", {done[0]['as_of_date']} to {done[-1]['as_of_date']}"
        console.print(f"\n{told}; {len(skipped)} were published already.")

    display.close(document, lines)


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a date of the form YYYY-MM-DD.") from None
