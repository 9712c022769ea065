"""The command line: options in, one paragraph and an exit code out.

Heavy parts are imported inside the verbs, so that `warehouse status` answers at once.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from warehouse.clock import Clock
from warehouse.display import choose_display
from warehouse.errors import UsageError
from warehouse.settings import DBT_PROJECT, Settings, misspelt_settings, read_settings

if TYPE_CHECKING:
    from warehouse.sync_request import SyncRequest

log = logging.getLogger(__name__)

app = typer.Typer(
    name="warehouse",
    help="The instrument master for Indian markets: landed, modelled, audited, then published.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Filter = Annotated[
    str,
    typer.Option(
        "--filter", metavar="NAMES", help="nifty, banknifty, sensex, ..., a comma list, or all."
    ),
]
Source = Annotated[
    str,
    typer.Option(
        "--source", metavar="SOURCE", help="kite, sample, a .csv or .csv.gz file, or a URL."
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Trading day, YYYY-MM-DD; default today in IST."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Plan everything, publish nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Build even what is published already.")]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="RULE=REASON",
        help="RULE=reason: let a failed rule pass this once; recorded.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing unless something is wrong.")]


@app.command()
def sync(
    filter_text: Filter = "nifty",
    source: Source = "kite",
    as_of: AsOf = None,
    dry_run: DryRun = False,
    force: Force = False,
    accept: Accept = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Download, land, build, audit, publish and export."""
    with reported():
        settings, clock = settings_and_clock(as_of)
        request = request_of(filter_text, source, dry_run=dry_run, force=force, accept=accept)
        _sync(settings, clock, request, as_json=as_json, quiet=quiet)


@app.command()
def build(
    filter_text: Filter = "nifty",
    source: Source = "kite",
    as_of: AsOf = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Land a dump and build the candidate; nothing is audited or published."""
    with reported():
        settings, clock = settings_and_clock(as_of)
        request = request_of(filter_text, source, build_only=True)
        _sync(settings, clock, request, as_json=as_json, quiet=quiet)


@app.command()
def gate(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Audit the candidate as it stands; nothing is published."""
    with reported():
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring
        from warehouse.exit_codes import GATE_RED  # noqa: PLC0415
        from warehouse.summary import print_audit  # noqa: PLC0415

        settings, clock = settings_and_clock(None)
        display = choose_display(as_json=as_json, quiet=quiet)
        audit = commands.gate(settings, clock, display)
        document = {"verdict": audit.verdict.colour, "report": str(audit.summary_html)}
        display.close(document, lambda console: print_audit(console, audit))
        if not audit.verdict.is_green:
            raise typer.Exit(GATE_RED)


@app.command()
def export(dry_run: DryRun = False, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Bring Redis, .env and the JSON files to the last publication."""
    with reported():
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring
        from warehouse.summary import print_sync  # noqa: PLC0415

        settings, clock = settings_and_clock(None)
        display = choose_display(as_json=as_json, quiet=quiet)
        result = commands.export(settings, clock, display, dry_run=dry_run)
        display.close(result.facts(), lambda console: print_sync(console, result, {}))
        commands.raise_if_pending(result)


@app.command()
def rollback(
    to: Annotated[
        int | None, typer.Option("--to", help="The publication; default the last but one.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put an earlier publication back in every destination."""
    with reported():
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring
        from warehouse.summary import print_sync  # noqa: PLC0415

        settings, clock = settings_and_clock(None)
        display = choose_display(as_json=as_json, quiet=quiet)
        result = commands.rollback(settings, clock, display, to=to)
        display.close(result.facts(), lambda console: print_sync(console, result, {}))
        commands.raise_if_pending(result)


@app.command()
def status(as_json: AsJson = False) -> None:
    """What consumers see, and whether it is safe to trade on (the exit code says so)."""
    with reported():
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring
        from warehouse.summary import print_status  # noqa: PLC0415

        settings, clock = settings_and_clock(None)
        found = commands.status(settings, clock)
        if as_json:
            print_json(found.facts())
        else:
            print_status(Console(highlight=False), found)
        raise typer.Exit(found.exit_code)


@app.command()
def report(
    path_only: Annotated[
        bool, typer.Option("--path", help="Print the path, open nothing.")
    ] = False,
) -> None:
    """Open the last data-quality report, or print its path where there is no browser."""
    with reported():
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring

        settings, _ = settings_and_clock(None)
        page = commands.last_report(settings)
        if page is None:
            raise UsageError("There is no report yet: run `warehouse sync` first.")
        typer.echo(str(page))
        has_screen = sys.platform == "darwin" or os.environ.get("DISPLAY")
        if not path_only and has_screen and sys.stdout.isatty():
            typer.launch(page.as_uri())


@app.command()
def docs() -> None:
    """Write the dbt docs of the published schema as one file."""
    with reported():
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring

        settings, clock = settings_and_clock(None)
        typer.echo(str(commands.docs(settings, clock)))


@app.command()
def url(
    server: Annotated[str, typer.Argument(help="postgres or redis")],
    dbt_env: Annotated[
        bool, typer.Option("--dbt-env", help="As shell exports that profiles.yml.example reads.")
    ] = False,
) -> None:
    """Print where PostgreSQL or Redis listens (starting the embedded one)."""
    with reported():
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring

        if server not in {"postgres", "redis"}:
            raise UsageError(f"{server!r} is neither postgres nor redis.")
        settings, _ = settings_and_clock(None)
        if dbt_env:
            for name, value in commands.dbt_environment(settings).items():
                typer.echo(f"export {name}={shlex.quote(value)}")
        else:
            typer.echo(commands.server_url(settings, server))


@app.command()
def up() -> None:
    """Start the embedded PostgreSQL and Redis (where no URL is set)."""
    with reported():
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring

        settings, _ = settings_and_clock(None)
        for server, given in (("postgres", settings.database_url), ("redis", settings.redis_url)):
            told = "yours, from the settings" if given else commands.server_url(settings, server)
            typer.echo(f"{server:<9} {told}")


@app.command()
def down() -> None:
    """Stop the embedded PostgreSQL and Redis."""
    with reported():
        from warehouse.servers import EmbeddedServers  # noqa: PLC0415  # see the docstring above

        settings, _ = settings_and_clock(None)
        stopped = EmbeddedServers(settings.home).stop()
        typer.echo(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")


def settings_and_clock(as_of: str | None) -> tuple[Settings, Clock]:
    """The settings and the clock, at the day that was asked for."""
    day = None
    if as_of is not None:
        try:
            day = date.fromisoformat(as_of)
        except ValueError:
            raise UsageError(f"AS_OF {as_of!r} is not a date of the form YYYY-MM-DD.") from None
    settings = read_settings(as_of=day)
    for told in misspelt_settings():
        sys.stderr.write(f"warning: {told}\n")
    return settings, Clock(as_of=settings.as_of)


def request_of(
    filter_text: str,
    source: str,
    *,
    dry_run: bool = False,
    force: bool = False,
    accept: list[str] | None = None,
    build_only: bool = False,
) -> SyncRequest:
    """What a sync is asked, checked before anything is started."""
    from warehouse.acceptances import read_acceptances  # noqa: PLC0415  # see the docstring above
    from warehouse.filters import read_filter  # noqa: PLC0415
    from warehouse.source import check_source  # noqa: PLC0415
    from warehouse.sync_request import SyncRequest  # noqa: PLC0415

    names = read_filter(filter_text, DBT_PROJECT)
    return SyncRequest(
        filter_text=",".join(names),
        filter_names=names,
        source=check_source(source),
        dry_run=dry_run,
        force=force,
        accepted=read_acceptances(accept or [], DBT_PROJECT),
        build_only=build_only,
    )


def _sync(
    settings: Settings, clock: Clock, request: SyncRequest, *, as_json: bool, quiet: bool
) -> None:
    from warehouse import commands  # noqa: PLC0415  # see the module's docstring
    from warehouse.summary import print_sync  # noqa: PLC0415

    display = choose_display(as_json=as_json, quiet=quiet)
    result, stages = commands.sync(settings, clock, request, display)
    document = {**result.facts(), "stage_seconds": stages.seconds}
    display.close(document, lambda console: print_sync(console, result, stages.seconds))
    commands.raise_if_pending(result)


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, default=str, indent=2))


@contextmanager
def reported() -> Iterator[None]:
    """One paragraph on standard error and the promised exit code; never a traceback."""
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. Consumers keep what they have; run it again.\n")
        raise typer.Exit(130) from None
    except Exception as error:  # noqa: BLE001  # the outermost place: all of them end here
        sys.stderr.write(f"error: {_paragraph(error)}\n")
        raise typer.Exit(exit_code(error)) from None


def _paragraph(error: Exception) -> str:
    from warehouse.exit_codes import is_known  # noqa: PLC0415  # see the module's docstring

    told = " ".join(str(error).split())
    if is_known(error):
        return told
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {told} "
        f"This is a defect of the warehouse; consumers keep what they have. The newest file in "
        f"WAREHOUSE_HOME/logs holds the details."
    )


def exit_code(error: Exception) -> int:
    """The code that the README's table promises for an error."""
    from warehouse.exit_codes import exit_code_of  # noqa: PLC0415  # see the module's docstring

    return exit_code_of(error)
