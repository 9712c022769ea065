"""Take the old token files of a project away, into a trash folder, and back.

    python -m instrument_registry.cleanup_old_token_files --root DIR [--no-dry-run] [--json]
    python -m instrument_registry.cleanup_old_token_files --root DIR --undo RUN

Without --no-dry-run nothing is touched: every old file is shown with its size, its age, the files
with the same bytes, and who still names it. Files move to .trash/YYYYMMDD-HHMMSS-... below the
root (the hour in India); nothing is ever deleted, and no symlink followed. Exit codes: 0 done, or
nothing to do; 1 something could not be moved or put back; 2 the command or the manifest is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from instrument_registry import clock
from instrument_registry.cleanup import manifest as manifests
from instrument_registry.cleanup import report, trash, tree, undo
from instrument_registry.cleanup.errors import CleanupError
from instrument_registry.cleanup.manifest import Rule
from instrument_registry.cleanup.patterns import problem
from instrument_registry.cleanup.survey import survey

_DONE: Final = 0
_NOT_ALL: Final = 1
_USAGE: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    for pattern in given.include_named:
        if (wrong := problem(pattern)) is not None:
            parser.error(f"--include-named {pattern!r} {wrong}")
    try:
        root = tree.root_of(Path(given.root), Path.home())
        return _undo(root, given) if given.undo else _clean(root, given)
    except CleanupError as error:
        _write(sys.stderr, f"{parser.prog}: {error}\n")
        return _USAGE if isinstance(error, ValueError) else _NOT_ALL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m instrument_registry.cleanup_old_token_files", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--root", required=True, metavar="DIR", help="the project's folder")
    parser.add_argument(
        "--dry-run", action=argparse.BooleanOptionalAction, default=None,
        help="show what would be done, and do nothing (the default; --undo does it at once)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--undo", metavar="RUN", help="put back what this run moved")
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE",
        help="a list of old files of your own; what the package's protects stays protected",
    )  # fmt: skip
    parser.add_argument(
        "--include-named", nargs="?", const="**", default=[], action="append", metavar="GLOB",
        help="move files although others name them; with a pattern, only if those that name them "
        "match it: --include-named '*.md'",
    )  # fmt: skip
    return parser


def _clean(root: Path, given: argparse.Namespace) -> int:
    manifest = manifests.built_in() if given.manifest is None else manifests.read(given.manifest)
    named = [Rule(pattern, "--include-named") for pattern in given.include_named]
    if given.manifest is not None:
        # It names what it lists.
        named += _itself(root, given.manifest)
    found = survey(root, manifest, named)
    now = clock.now()
    moved = None
    if given.dry_run is False:
        moved = trash.move(root, found.plan, now.astimezone(clock.INDIA))
    others = [run for run in trash.cut_off(root) if moved is None or run != moved.run]
    told = (found, manifest.name, now, moved, others)
    _print(report.as_document(*told) if given.json else report.as_text(*told))
    return _NOT_ALL if moved is not None and moved.failed else _DONE


def _itself(root: Path, manifest: Path) -> list[Rule]:
    path = str(manifest.resolve())
    below = path.removeprefix(f"{root}/")
    return [Rule(below, "the manifest")] if below != path and problem(below) is None else []


def _undo(root: Path, given: argparse.Namespace) -> int:
    is_dry = bool(given.dry_run)
    done = undo.undo(root, undo.run_of(root, given.undo), clock.now(), is_dry=is_dry)
    show = report.undone_as_document if given.json else report.undone_as_text
    _print(show(done, is_dry=is_dry))
    return _NOT_ALL if done.failed else _DONE


def _print(told: str | dict[str, Any]) -> None:
    _write(sys.stdout, told if isinstance(told, str) else json.dumps(told, indent=2) + "\n")


def _write(stream: TextIO, text: str) -> None:
    # A file's name may hold what the terminal's encoding does not.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


if __name__ == "__main__":
    raise SystemExit(main())
