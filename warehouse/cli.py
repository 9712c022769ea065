"""The command line: options in, one paragraph and an exit code out.

Heavy parts are imported inside the verbs, so that `warehouse status` answers at once.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from warehouse.clock import Clock
from warehouse.display import Display, people_console
from warehouse.display import write_json as print_json
from warehouse.errors import UsageError
from warehouse.reported import exit_code, reported
from warehouse.settings import DBT_PROJECT, Settings, misspelt_settings, read_settings

if TYPE_CHECKING:
    from warehouse.sync_request import SyncRequest, SyncResult

# What the modules of further verbs build on.
__all__ = [
    "Accept", "AsJson", "Filter", "Quiet", "app", "exit_code", "print_json", "reported",
    "request_of", "settings_and_clock",
]  # fmt: skip

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
    with reported(as_json=as_json, quiet=quiet) as display:
        settings, clock = settings_and_clock(as_of)
        request = request_of(filter_text, source, dry_run=dry_run, force=force, accept=accept)
        _sync(settings, clock, request, display)


@app.command()
def build(
    filter_text: Filter = "nifty",
    source: Source = "kite",
    as_of: AsOf = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Land a dump and build the candidate; nothing is audited or published."""
    with reported(as_json=as_json, quiet=quiet) as display:
        settings, clock = settings_and_clock(as_of)
        request = request_of(filter_text, source, build_only=True)
        _sync(settings, clock, request, display)


@app.command()
def gate(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Audit the candidate as it stands; nothing is published."""
    with reported(as_json=as_json, quiet=quiet) as display:
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring
        from warehouse.exit_codes import GATE_RED, OK  # noqa: PLC0415
        from warehouse.summary import print_audit  # noqa: PLC0415

        settings, clock = settings_and_clock(None)
        audit = commands.gate(settings, clock, display)
        code = OK if audit.verdict.is_green else GATE_RED
        document = {
            "status": "audited",
            "exit_code": code,
            "verdict": audit.verdict.colour,
            "reasons": list(audit.verdict.reasons),
            "report": str(audit.summary_html),
        }
        display.close(document, lambda console: print_audit(console, audit))
        raise typer.Exit(code)


@app.command()
def export(dry_run: DryRun = False, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Bring Redis, .env and the JSON files to the last publication."""
    with reported(as_json=as_json, quiet=quiet) as display:
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring

        settings, clock = settings_and_clock(None)
        _close(display, commands.export(settings, clock, display, dry_run=dry_run), {})


@app.command()
def rollback(
    to: Annotated[
        int | None, typer.Option("--to", help="The publication; default the last but one.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put an earlier publication back in every destination."""
    with reported(as_json=as_json, quiet=quiet) as display:
        from warehouse.rollback import rollback as roll_back  # noqa: PLC0415  # as above

        settings, clock = settings_and_clock(None)
        _close(display, roll_back(settings, clock, display, to=to, dry_run=dry_run), {})


@app.command()
def status(as_json: AsJson = False) -> None:
    """What consumers see, and whether it is safe to trade on (the exit code says so)."""
    with reported(as_json=as_json, facts={"is_safe": False}):
        from warehouse import commands  # noqa: PLC0415  # see the module's docstring
        from warehouse.summary import print_status  # noqa: PLC0415

        settings, clock = settings_and_clock(None)
        found = commands.status(settings, clock)
        if as_json:
            print_json(found.facts())
        else:
            print_status(people_console(), found)
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

        settings, clock = settings_and_clock(None)
        page = commands.last_report(settings, clock)
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
    settings = read_settings(as_of=read_day("AS_OF", as_of))
    for told in misspelt_settings():
        sys.stderr.write(f"warning: {told}\n")
    return settings, Clock(as_of=settings.as_of)


def read_day(option: str, text: str | None) -> date | None:
    """A day as it was typed; None without one.

    Raises:
        UsageError: it is no date.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a date of the form YYYY-MM-DD.") from None


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


def _sync(settings: Settings, clock: Clock, request: SyncRequest, display: Display) -> None:
    from warehouse import commands  # noqa: PLC0415  # see the module's docstring

    result, stages = commands.sync(settings, clock, request, display)
    _close(display, result, stages.seconds)


def _close(display: Display, result: SyncResult, seconds: Mapping[str, float]) -> None:
    """The closing summary, then the exit code of what is pending."""
    from warehouse.commands import raise_if_pending  # noqa: PLC0415  # see the module's docstring
    from warehouse.summary import next_step, print_sync  # noqa: PLC0415

    document = {**result.facts(), "stage_seconds": dict(seconds), "next": next_step(result)}
    display.close(document, lambda console: print_sync(console, result, seconds))
    raise_if_pending(result)
