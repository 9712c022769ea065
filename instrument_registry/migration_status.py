"""How far the modules have moved from the old token files to the registry.

    python -m instrument_registry.migration_status [--json] [--root DIR]

Flags and who set them; the registry that each module gets, and where it is read right now; lookups
of this process and of those that left figures in REGISTRY_STATS_DIR; who still reads old files,
with --root in source files too. A module has moved when its registry can be read, its lookups were
seen, and no line of it reads old files. Exit codes: 0 whatever the status is; 2 the command or a
setting is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from instrument_registry import clock
from instrument_registry.cleanup.errors import RootRefused
from instrument_registry.cleanup.tree import root_of
from instrument_registry.errors import FlagRefused, SettingRefused
from instrument_registry.migration import facts, report
from instrument_registry.migration.progress import progress_of
from instrument_registry.settings import read_settings

_DONE: Final = 0
_USAGE: Final = 2


def migration_status(root: Path | str | None = None) -> dict[str, Any]:
    """What `--json` prints.

    Args:
        root: the project's folder, to find source files that still read old files.

    Raises:
        FlagRefused, SettingRefused: a flag or setting that cannot be read.
        RootRefused: the root is none that is looked into.
    """
    found, now = _looked(root), clock.now()
    return report.as_document(found, progress_of(found), now)


def _looked(root: Path | str | None) -> facts.Facts:
    where = None if root is None else root_of(Path(root), Path.home())
    return facts.gather(read_settings(), clock.now(), where)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m instrument_registry.migration_status", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--root", metavar="DIR", help="the project's folder")
    given = parser.parse_args(arguments)
    try:
        found = _looked(given.root)
    except (FlagRefused, RootRefused, SettingRefused) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return _USAGE
    progress, now = progress_of(found), clock.now()
    if given.json:
        text = json.dumps(report.as_document(found, progress, now), indent=2) + "\n"
    else:
        text = report.as_text(found, progress, now)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    return _DONE


if __name__ == "__main__":
    raise SystemExit(main())
