"""Move what a plan says into a dated folder of the trash; nothing is ever deleted.

The journal is on the disk before the first file moves. Each file is looked at again, and moved
by a rename inside its file system: it is in its old place or in the trash, whenever the run dies.
The same command again moves what is left, into a folder of its own.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from instrument_registry.cleanup import held, journal
from instrument_registry.cleanup.errors import TrashUnwritable
from instrument_registry.cleanup.plan import Entry, Plan
from instrument_registry.cleanup.survey import digest_of
from instrument_registry.cleanup.tree import TRASH, Found

RUN: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True, slots=True)
class Moved:
    """What a run did.

    Attributes:
        run: the name of its folder in the trash; empty if there was nothing to move.
        paths: what was moved.
        failed: what was not, with the reason.
    """

    run: str = ""
    paths: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


def move(
    root: Path, plan: Plan, now: datetime, tell: Callable[[str], None] = lambda _: None
) -> Moved:
    """Move what is to be moved.

    Args:
        root: of `tree.root_of`.
        plan: of this root, made just now.
        now: names the folder.
        tell: called with each path after it was moved.

    Raises:
        RootRefused, TrashRefused, TrashUnwritable, RunInProgress: nothing was moved.
    """
    entries = plan.to_move()
    if not entries:
        return Moved()
    with held.root_and_trash(root, make=True) as (at_root, at_trash):
        run = f"{now:%Y%m%d-%H%M%S}-{os.urandom(2).hex()}"
        try:
            journal.begin(at_trash, run, journal.text_of(run, root, entries, now))
            os.fsync(at_root)
            os.mkdir(run, 0o700, dir_fd=at_trash)
        except OSError as error:
            with suppress(OSError):
                os.unlink(run + journal.SUFFIX, dir_fd=at_trash)
            raise TrashUnwritable(
                f"{root / TRASH} cannot be written: {error.strerror}; nothing was moved"
            ) from error
        moved: list[str] = []
        failed: list[tuple[str, str]] = []
        for entry in entries:
            try:
                _move(at_root, at_trash, run, entry)
            except OSError as error:
                failed.append((entry.path, reason(error)))
            else:
                moved.append(entry.path)
                tell(entry.path)
        try:
            journal.add(at_trash, run, {"finished_at": now.isoformat(), "moved": len(moved)})
        except OSError as error:
            failed.append((f"{TRASH}/{run}{journal.SUFFIX}", reason(error)))
        return Moved(run, tuple(moved), tuple(failed))


def _move(at_root: int, at_trash: int, run: str, entry: Entry) -> None:
    folders, name = held.split(entry.path)
    with held.folder(at_root, folders) as source:
        _require_same(source, name, entry)
        with held.folder(at_trash, (run, *folders), make=True) as there:
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=there)


def _require_same(folder: int, name: str, entry: Entry) -> None:
    """Raise OSError unless the file is what it was when the plan was made."""
    told = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISREG(told.st_mode) and Found.of(entry.path, told) == entry.found:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        if digest_of(os.open(name, flags, dir_fd=folder)) == entry.sha256:
            return
    raise OSError(errno.ESTALE, "it changed since it was looked at; run again")


def reason(error: OSError) -> str:
    """Why a file stays, in a few words."""
    if error.errno == errno.EXDEV:
        return "it is on another file system"
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return "a symlink or a file stands where a folder was"
    return error.strerror or str(error)


def runs(root: Path) -> Iterator[str]:
    """The runs of a trash, oldest first."""
    try:
        names = [one.name for one in (root / TRASH).iterdir()]
    except OSError:
        return
    found = {name.removesuffix(journal.SUFFIX) for name in names}
    yield from sorted(name for name in found if RUN.fullmatch(name))


def cut_off(root: Path) -> tuple[str, ...]:
    """The runs that moved something and did not come to their end, nor were undone."""
    found = []
    for run in runs(root):
        path = root / TRASH / f"{run}{journal.SUFFIX}"
        try:
            told = journal.parse(path.read_bytes())
        except OSError:
            continue
        is_over = told.is_finished or told.is_undone
        if not is_over and (root / TRASH / run).is_dir():
            found.append(run)
    return tuple(found)
