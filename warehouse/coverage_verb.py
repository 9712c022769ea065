"""The verb `coverage`. The rest of the command line is in `cli`."""

from __future__ import annotations

from typing import Annotated

import typer

from warehouse import cli
from warehouse.display import wide_console


@cli.app.command()
def coverage(
    as_json: cli.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on standard output.")] = False,
) -> None:
    """What is published of each broker, and how it matches the others."""
    with cli.reported(as_json=as_json):
        from warehouse.coverage import print_coverage, read_published_coverage  # noqa: PLC0415
        from warehouse.session import open_warehouse  # noqa: PLC0415  # see the docstring of `cli`

        settings, clock = cli.settings_and_clock(None)
        with open_warehouse(settings, clock) as warehouse:
            found = read_published_coverage(warehouse.connection)
        if as_json:
            cli.print_json(found.facts())
        elif as_csv:
            typer.echo(found.as_csv(), nl=False)
        else:
            print_coverage(wide_console(), found)
