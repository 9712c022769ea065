"""Run one exporter alone, from the command line: `python -m exporters.<destination>`.

Exit codes are those of the `warehouse` command: 0 done, 2 usage, 3 something is out of reach
(try again), 5 the destination is not as published.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg

from exporters.destination import Destination, Outcome, export
from exporters.errors import ExportError

_DONE = 0
_UNAVAILABLE = 3
_PENDING = 5
# A sync takes seconds at least.
_PASSES = 3

Connection = psycopg.Connection[Any]


def options(program: str, description: str) -> argparse.ArgumentParser:
    """A parser with what every exporter takes."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument(
        "--database-url",
        default=os.environ.get("DATABASE_URL"),
        help="the PostgreSQL that holds the publication (default: DATABASE_URL)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would change, change it not"
    )
    return parser


def run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    build: Callable[[argparse.Namespace, Connection], Iterable[Destination]],
) -> int:
    """Export to the destinations one after the other and print a line on each.

    Args:
        parser: From `options`, with the destination's own options added.
        arguments: The command line without the program; None for the process's own.
        build: Makes the destinations from the parsed options and a connection.

    Returns:
        The exit code.
    """
    given = parser.parse_args(arguments)
    if not given.database_url:
        parser.error("--database-url or DATABASE_URL is needed")
    try:
        connection = psycopg.connect(given.database_url)
    except psycopg.OperationalError as error:
        # Its message names host and user, and no password.
        return _fail(f"PostgreSQL is out of reach: {str(error).splitlines()[0]}", _UNAVAILABLE)
    except psycopg.ProgrammingError:
        # This one may quote the URL.
        parser.error("--database-url cannot be understood; expected postgresql://user@host/name")
    with connection:
        for _ in range(_PASSES):
            before = _last_publication(connection)
            try:
                for destination in build(given, connection):
                    _print(export(destination, dry_run=given.dry_run))
            except ExportError as error:
                return _fail(str(error), _UNAVAILABLE if error.is_transient else _PENDING)
            # A sync that published meanwhile may have exported before this did: once more, so
            # that the newer one stays.
            if given.dry_run or _last_publication(connection) == before:
                return _DONE
    return _fail("publications follow each other too fast; run it again", _UNAVAILABLE)


def _last_publication(connection: Connection) -> int | None:
    """The number of the last publication; None where there is no ledger."""
    try:
        row = connection.execute("select max(publication_id) from ops.publications").fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    connection.rollback()
    return row[0] if row else None


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)  # noqa: T201  # a command line
    return code


def _print(outcome: Outcome) -> None:
    plan = outcome.plan
    counts = f"{plan.added} added, {plan.changed} changed, {plan.removed} removed"
    lines = [f"{outcome.destination}: {outcome.status}, {counts}, {outcome.seconds:.2f} s"]
    if plan.note:
        lines.append(f"  {plan.note}")
    lines += [f"  {kind}: {line}" for kind, some in plan.samples.items() for line in some]
    print("\n".join(lines))  # noqa: T201  # a command line
