"""The verbs of history: lookup, changes, backfill. The rest of the command line is in `cli`."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from warehouse import cli
from warehouse.display import Display, choose_display
from warehouse.errors import UsageError, WarehouseError
from warehouse.settings import Settings

NOT_FOUND = 1


@cli.app.command()
def lookup(
    what: Annotated[
        str, typer.Argument(help="A canonical id, EXCHANGE:SYMBOL, a symbol, or a token.")
    ],
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="The day; default the last one.")
    ] = None,
    broker: Annotated[
        str | None, typer.Option("--broker", help="Whose symbol or token; a token is Kite's.")
    ] = None,
    as_json: cli.AsJson = False,
) -> None:
    """What an instrument was on a day, its versions, and what happened since."""
    with cli.reported():
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
            raise typer.Exit(NOT_FOUND)


@cli.app.command()
def changes(
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="From that day on; default the last one."),
    ] = None,
    as_json: cli.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every event as a line of CSV.")] = False,
) -> None:
    """What changed: listed, expired, renamed, adjusted; and what of it touches subscriptions."""
    with cli.reported():
        from warehouse.history import changes_since  # noqa: PLC0415  # see the docstring of `cli`
        from warehouse.history_view import print_changes, write_csv  # noqa: PLC0415
        from warehouse.session import open_warehouse  # noqa: PLC0415

        if as_json and as_csv:
            raise UsageError("--json and --csv are two answers: ask for one.")
        settings, clock = cli.settings_and_clock(None)
        with open_warehouse(settings, clock) as warehouse:
            found = changes_since(warehouse.connection, _day("--since", since))
        if as_json:
            cli.print_json(found.facts())
        elif as_csv:
            write_csv(sys.stdout, found.events)
        else:
            print_changes(Console(highlight=False), found)


@cli.app.command()
def backfill(
    folder: Annotated[Path, typer.Argument(help="Dumps named, or in folders named, by a day.")],
    filter_text: cli.Filter = "nifty",
    accept: cli.Accept = None,
    as_json: cli.AsJson = False,
    quiet: cli.Quiet = False,
) -> None:
    """Replay a folder of dated dumps in order, each through the whole sync; resumable."""
    with cli.reported():
        from warehouse.backfill import find_days, plan_backfill  # noqa: PLC0415  # as above
        from warehouse.commands import published_days  # noqa: PLC0415

        settings, clock = cli.settings_and_clock(None)
        days = find_days(folder.expanduser().resolve(), settings.feeds)
        plan = plan_backfill(days, published_days(settings, clock))
        display = choose_display(as_json=as_json, quiet=quiet)
        done: list[dict[str, Any]] = []
        for number, day in enumerate(plan.days, 1):
            display.note(f"day {number} of {len(plan.days)}: {day.as_of}")
            request = replace(
                cli.request_of(filter_text, str(day.kite), accept=accept),
                feed_sources={name: str(path) for name, path in day.dumps.items()},
                # Consumers outside PostgreSQL see the last day only, not every day go by.
                publish_only=number < len(plan.days),
            )
            done.append(_sync_day(settings, day.as_of, request, display))
        _close(display, done, plan.published)


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
