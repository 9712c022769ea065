"""The console script `warehouse`."""

from __future__ import annotations

import atexit
import os
import sys

import warehouse.backfill_verb
import warehouse.coverage_verb
import warehouse.history_verbs  # noqa: F401  # more verbs of the same app
from warehouse.cli import app


def main() -> None:
    """Run the command line, then leave without taking the interpreter apart.

    Freeing what dbt made takes most of a second, and everything is committed, closed and
    flushed by now.
    """
    code: object = 0
    try:
        app()
    except SystemExit as leaving:
        code = leaving.code
    # What libraries asked to have done at the end (semaphores, log files).
    atexit._run_exitfuncs()  # noqa: SLF001  # the interpreter's own end calls it just so
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
