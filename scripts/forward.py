"""Old entry points go on working: each says what to use instead, then runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
VENV = PROJECT / ".venv"


def forward(old: str, new: list[str]) -> None:
    """Run `warehouse NEW...` in place of this process, after one line on standard error.

    Old cron lines call the scripts with the system's Python, which has none of what the warehouse
    needs: then the project's own takes over, if `make setup` has made it. And they call them from
    any folder: settings and data are those of the checkout, as with `make`.

    Args:
        old: the script that was called, as people know it.
        new: the arguments of the console script `warehouse`.
    """
    sys.path.insert(0, str(PROJECT))
    try:
        from warehouse.cli import app  # noqa: PLC0415  # may not be there
    except (ImportError, SyntaxError) as error:
        # A Python older than 3.11 fails here too, in its own way.
        _run_with_the_projects_own()
        _tell(old, new)
        sys.stderr.write(
            f"error: {getattr(error, 'name', None) or 'the warehouse'} is not installed for "
            f"{sys.executable}, and {VENV} is not set up. Run `make setup` in {PROJECT}, then run "
            f"this again. Nothing was started; consumers keep what they have.\n"
        )
        raise SystemExit(2) from None
    _tell(old, new)
    os.chdir(PROJECT)
    app(new, prog_name="warehouse")


def _tell(old: str, new: list[str]) -> None:
    sys.stderr.write(f"{old} is deprecated: use `warehouse {' '.join(new)}` (or make sync).\n")


def _run_with_the_projects_own() -> None:
    """Become the same script under the virtual environment's Python, where there is one."""
    python = VENV / "bin" / "python"
    is_it_already = Path(sys.prefix).resolve() == VENV.resolve()
    if is_it_already or not os.access(python, os.X_OK):
        return
    sys.stderr.flush()
    os.execv(python, [str(python), *sys.argv])  # noqa: S606  # no shell, and our own arguments
