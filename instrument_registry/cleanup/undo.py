"""Put back what a run moved; what has appeared in the meantime is not overwritten."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from instrument_registry.cleanup import held, journal
from instrument_registry.cleanup.errors import TrashRefused, TrashUnwritable
from instrument_registry.cleanup.journal import Journal
from instrument_registry.cleanup.trash import RUN, reason, runs
from instrument_registry.cleanup.tree import TRASH, names_below

_OCCUPIED: Final = "something else is in its place; it stays in the trash"
_NO_LINKS_HERE: Final = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
)


class Place(StrEnum):
    """Where a file of a run is, and so what an undo does with it."""

    TRASH = "in the trash"
    """It is put back."""
    HOME = "in its place"
    """Nothing to do."""
    OCCUPIED = "its place is taken"
    """It stays in the trash."""
    ELSEWHERE = "in another run's folder"
    """A later run moved it: that one puts it back."""
    GONE = "gone"
    """It is neither here nor there; somebody else took it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file of a run."""

    path: str
    place: Place


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did, or would do.

    Attributes:
        run: the run's name.
        restored: what was put back.
        in_place: what was in its place before.
        elsewhere: what a later run moved, and its name.
        failed: what could not be put back, with the reason.
    """

    run: str
    restored: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    elsewhere: tuple[tuple[str, str], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


def steps(
    told: Journal, in_trash: Iterable[str], at_home: Collection[str],
    elsewhere: Collection[str] = (),
) -> tuple[Step, ...]:  # fmt: skip
    """What is to be done: with what lies in the trash, journalled or not, and with the rest.

    Args:
        told: the journal; a torn one says less.
        in_trash: the paths of the files that lie in the run's folder.
        at_home: of all these paths, those where something is.
        elsewhere: those that lie in another run's folder.
    """
    lying = set(in_trash)
    found = []
    for path in sorted(lying | set(told.paths)):
        if path in lying:
            place = Place.OCCUPIED if path in at_home else Place.TRASH
        elif path in at_home:
            place = Place.HOME
        else:
            place = Place.ELSEWHERE if path in elsewhere else Place.GONE
        found.append(Step(path, place))
    return tuple(found)


def run_of(root: Path, given: str) -> str:
    """The run that is meant by a name or by the path of its folder.

    Raises:
        TrashRefused: this root has no such run.
    """
    name = given
    if "/" in given:
        path = Path(given).expanduser().absolute()
        name = path.name if path.parent.resolve() == root / TRASH else ""
    known = list(runs(root))
    if name not in known or not RUN.fullmatch(name):
        there = ", ".join(known) or "none"
        raise TrashRefused(f"{root / TRASH} has no run {given!r}; there are: {there}")
    return name


def undo(root: Path, run: str, now: datetime, *, is_dry: bool = False) -> Undone:
    """Put back what a run moved.

    Args:
        root: of `tree.root_of`.
        run: of `run_of`.
        now: for the journal.
        is_dry: only say what would be done.

    Raises:
        RootRefused, TrashRefused, TrashUnwritable, RunInProgress: nothing was moved.
    """
    with held.root_and_trash(root, make=False) as (at_root, at_trash):
        told, lying = _found(root, at_trash, run)
        if told.is_undone and not lying:
            return Undone(run)
        at_home = {path for path in lying | set(told.paths) if _is_there(at_root, path)}
        others = _others(root, run, set(told.paths) - lying - at_home)
        to_do = steps(told, lying, at_home, others)
        restored: list[str] = []
        failed: list[tuple[str, str]] = []
        for step in to_do:
            if step.place in {Place.HOME, Place.ELSEWHERE}:
                continue
            wrong: str | None
            if step.place is Place.GONE:
                wrong = "it is neither in the trash nor in its place"
            elif is_dry:
                wrong = _OCCUPIED if step.place is Place.OCCUPIED else None
            else:
                # What is occupied is tried as well: it may be the file itself, half put back.
                wrong = _attempt(at_root, at_trash, run, step.path)
            if wrong is None:
                restored.append(step.path)
            else:
                failed.append((step.path, wrong))
        if not is_dry:
            _end(root, at_trash, run, now, restored, is_whole=not failed)
        in_place = tuple(one.path for one in to_do if one.place is Place.HOME)
        elsewhere = tuple((path, others[path]) for path in sorted(others))
        return Undone(run, tuple(restored), in_place, elsewhere, tuple(failed))


def _found(root: Path, at_trash: int, run: str) -> tuple[Journal, set[str]]:
    try:
        told = journal.read(at_trash, run) or Journal()
        return told, set(names_below(root, f"{TRASH}/{run}"))
    except OSError as error:
        raise TrashUnwritable(
            f"{root / TRASH / run} cannot be read: {error.strerror}; nothing was moved"
        ) from error


def _others(root: Path, run: str, paths: Collection[str]) -> dict[str, str]:
    """The other runs in whose folders some paths lie."""
    return {
        path: other
        for other in runs(root) if other != run
        for path in paths if os.path.lexists(root / TRASH / other / path)
    }  # fmt: skip


def _end(
    root: Path, at_trash: int, run: str, now: datetime, restored: Sequence[str], *, is_whole: bool
) -> None:
    _tidy(root, run)
    if is_whole:
        # Only says so: where the files are, the folders say.
        with suppress(OSError):
            line = {"undone_at": now.isoformat(), "restored": len(restored)}
            journal.add(at_trash, run, line)


def _attempt(at_root: int, at_trash: int, run: str, path: str) -> str | None:
    """Put a file back; why it was not, or None."""
    try:
        _restore(at_root, at_trash, run, path)
    except FileExistsError:
        return _OCCUPIED
    except OSError as error:
        return f"{reason(error)}; it stays in the trash"
    return None


def _restore(at_root: int, at_trash: int, run: str, path: str) -> None:
    folders, name = held.split(path)
    with (
        held.folder(at_trash, (run, *folders)) as trash,
        held.folder(at_root, folders, make=True) as home,
    ):
        try:
            # A rename would overwrite what appears between a look and itself; a link never does.
            os.link(name, name, src_dir_fd=trash, dst_dir_fd=home, follow_symlinks=False)
        except FileExistsError:
            # Killed between the link and the unlink, the time before.
            here = os.stat(name, dir_fd=home, follow_symlinks=False)
            if not os.path.samestat(here, os.stat(name, dir_fd=trash, follow_symlinks=False)):
                raise
        except OSError as error:
            if error.errno not in _NO_LINKS_HERE:
                raise
            _rename(trash, home, name)
            return
        os.unlink(name, dir_fd=trash)


def _rename(trash: int, home: int, name: str) -> None:
    """For file systems without hard links."""
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=home, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, "something is there")
    os.rename(name, name, src_dir_fd=trash, dst_dir_fd=home)


def _is_there(at_root: int, path: str) -> bool:
    folders, name = held.split(path)
    try:
        with held.folder(at_root, folders) as home:
            os.stat(name, dir_fd=home, follow_symlinks=False)
    except OSError:
        return False
    return True


def _tidy(root: Path, run: str) -> None:
    """Remove the folders of a run that are empty now."""
    top = root / TRASH / run
    if top.is_symlink():
        return
    for where, _, _ in os.walk(top, topdown=False, followlinks=False):
        with suppress(OSError):
            Path(where).rmdir()
