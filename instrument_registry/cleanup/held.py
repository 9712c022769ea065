"""Folders held open: a file is reached name by name from the root, and no symlink on the way.

A path that was looked at may lead elsewhere a moment later; a folder that is held open is the
folder that it was.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from instrument_registry.cleanup.errors import (
    RootRefused,
    RunInProgress,
    TrashRefused,
    TrashUnwritable,
)
from instrument_registry.cleanup.tree import TRASH

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK: Final = "lock"


def split(path: str) -> tuple[tuple[str, ...], str]:
    """The folders of a relative path, and the name."""
    *folders, name = path.split("/")
    return tuple(folders), name


@contextmanager
def folder(start: int, names: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """A folder below an open one; made if asked for, with all above it.

    Raises:
        OSError: it is not there, or a symlink or file stands in its way.
    """
    current = os.open(".", _FOLDER, dir_fd=start)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=current)
            below = os.open(name, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


@contextmanager
def root_and_trash(root: Path, *, make: bool) -> Iterator[tuple[int, int]]:
    """The root and its trash folder, both open, and nobody else at work there.

    Args:
        root: of `tree.root_of`.
        make: make the trash folder if it is not there.

    Raises:
        RootRefused: the root is gone.
        TrashRefused: there is no trash, or something else stands in its place.
        TrashUnwritable: no right to it, or no room.
        RunInProgress: another run has it.
    """
    try:
        at_root = os.open(root, _FOLDER)
    except OSError as error:
        raise RootRefused(f"{root} cannot be opened: {error.strerror}") from error
    try:
        at_trash = _trash(root, at_root, make=make)
        try:
            with _locked(root, at_trash):
                yield at_root, at_trash
        finally:
            os.close(at_trash)
    finally:
        os.close(at_root)


def _trash(root: Path, at_root: int, *, make: bool) -> int:
    where = root / TRASH
    try:
        if make:
            with suppress(FileExistsError):
                os.mkdir(TRASH, 0o700, dir_fd=at_root)
        at_trash = os.open(TRASH, _FOLDER, dir_fd=at_root)
    except FileNotFoundError:
        raise TrashRefused(f"{where} is not there: nothing was ever moved under {root}") from None
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise TrashRefused(
                f"{where} is a symlink or a file; expected a folder, nothing was moved"
            ) from error
        raise TrashUnwritable(
            f"{where} cannot be opened: {error.strerror}; nothing was moved"
        ) from error
    if os.fstat(at_trash).st_dev != os.fstat(at_root).st_dev:
        os.close(at_trash)
        raise TrashRefused(f"{where} is on another file system than {root}; nothing was moved")
    return at_trash


@contextmanager
def _locked(root: Path, at_trash: int) -> Iterator[None]:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        lock = os.open(_LOCK, flags, 0o600, dir_fd=at_trash)
    except OSError as error:
        raise TrashUnwritable(
            f"{root / TRASH / _LOCK} cannot be opened: {error.strerror}; nothing was moved"
        ) from error
    try:
        try:
            # Held by the process: a run that dies lets go of it.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunInProgress(
                f"another run has {root}; nothing was moved. Wait for it, and run again"
            ) from error
        yield
    finally:
        os.close(lock)
