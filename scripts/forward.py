"""Old entry points go on working: each says what to use instead, then runs it."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def forward(old: str, new: list[str]) -> None:
    """Run `warehouse NEW...` in place of this process, after one line on standard error.

    Args:
        old: the script that was called, as people know it.
        new: the arguments of the console script `warehouse`.
    """
    sys.stderr.write(f"{old} is deprecated: use `warehouse {' '.join(new)}` (or make sync).\n")
    sys.path.insert(0, str(PROJECT))
    try:
        from warehouse.cli import app  # noqa: PLC0415  # after the note, and after the path is set
    except ImportError as error:
        sys.stderr.write(
            f"error: {error.name} is not installed for {sys.executable}. Run `make setup` in "
            f"{PROJECT}, then call this script with .venv/bin/python.\n"
        )
        raise SystemExit(2) from None
    app(new, prog_name="warehouse")
