"""The verbs that ask history: lookup, changes. The rest of the command line is in `cli`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from warehouse import cli
from warehouse.errors import UsageError

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
            looked = look_up(warehouse.connection, what, at=cli.read_day("--at", at), broker=broker)
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
                connection, since=cli.read_day("--since", since),
                until=cli.read_day("--until", until), events=event or (), broker=broker,
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
