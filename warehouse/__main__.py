"""The console script `warehouse`."""

from __future__ import annotations

import atexit
import os
import sys

import typer

import warehouse.backfill_verb
import warehouse.coverage_verb
import warehouse.history_verbs  # noqa: F401  # more verbs of the same app
from warehouse.cli import app
from warehouse.display import write_json
from warehouse.reported import failure_document


def main() -> None:
    """Run the command line, then leave without taking the interpreter apart.

    Freeing what dbt made takes most of a second, and everything is committed, closed and
    flushed by now.
    """
    code = _run()
    # What libraries asked to have done at the end (semaphores, log files).
    atexit._run_exitfuncs()  # noqa: SLF001  # the interpreter's own end calls it just so
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run() -> int:
    """The exit code of the command line; a wrong one is told in JSON too, where that was asked."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        error.show()  # type: ignore[attr-defined]  # what all that the command line raises has
        if "--json" in sys.argv:
            told = " ".join(error.format_message().split())
            unsafe = {"is_safe": False} if sys.argv[1:2] == ["status"] else {}
            write_json(failure_document(error.exit_code, told) | unsafe)
        return error.exit_code
    except typer.Abort:
        return 1
    # What a verb ends with; 0 where it ends by itself.
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
