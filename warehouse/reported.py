"""How every verb ends: a paragraph on standard error, or a document, and the promised exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from warehouse.display import Display, choose_display
from warehouse.errors import FailedRun

KEPT = "Consumers see the last publication that was completed: `warehouse status` says which."


@contextmanager
def reported(
    *, as_json: bool = False, quiet: bool = False, facts: Mapping[str, Any] | None = None
) -> Iterator[Display]:
    """The display of a verb; a failure ends in its exit code, never in a traceback.

    With `as_json` a failure is one object on standard output as well:

        {"status": "failed", "exit_code": 4, "error": "...", "run_id": "...", "report": "...",
         "consumers_see": {"publication_id": 7, "as_of_date": "2026-08-17", ...}}

    `run_id`, `report` and `consumers_see` are null where the verb did not get so far.

    Args:
        as_json: one JSON object on standard output.
        quiet: nothing on standard output.
        facts: what the document of a failure says besides.
    """
    display = choose_display(as_json=as_json, quiet=quiet)
    try:
        yield display
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        from warehouse.exit_codes import INTERRUPTED  # noqa: PLC0415  # it imports every package

        told = f"Interrupted. {KEPT} Run it again."
        sys.stderr.write(f"\n{told}\n")
        display.fail(failure_document(INTERRUPTED, told, display.failed_run) | dict(facts or {}))
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001  # the outermost place: all of them end here
        told, code = paragraph(error, display.failed_run), exit_code(error)
        sys.stderr.write(f"error: {told}\n")
        display.fail(failure_document(code, told, display.failed_run) | dict(facts or {}))
        raise typer.Exit(code) from None


def failure_document(code: int, told: str, run: FailedRun | None = None) -> dict[str, Any]:
    """What `--json` says of a failure."""
    return {
        "status": "failed",
        "exit_code": code,
        "error": told,
        "run_id": run.run_id if run else None,
        "report": run.report if run else None,
        "consumers_see": dict(run.consumers_see) if run and run.consumers_see else None,
    }


def paragraph(error: Exception, run: FailedRun | None = None) -> str:
    """An error for the person at the terminal: what was seen, what holds now, what to do."""
    from warehouse.exit_codes import is_known, is_told  # noqa: PLC0415  # they import every package

    told = " ".join(str(error).split())
    if is_told(error):
        return told
    holds = f"Its log holds the details: {run.log}." if run and run.log else "It has no log yet."
    if is_known(error):
        # PostgreSQL's or the system's own words, from where nobody expected them.
        return (
            f"{type(error).__name__}: {told.rstrip('.')}. {KEPT} Mend it and run it again. {holds}"
        )
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {told} "
        f"This is a defect of the warehouse; please report it. {KEPT} {holds}"
    )


def exit_code(error: Exception) -> int:
    """The code that the README's table promises for an error."""
    from warehouse.exit_codes import exit_code_of  # noqa: PLC0415  # it imports every package

    return exit_code_of(error)
