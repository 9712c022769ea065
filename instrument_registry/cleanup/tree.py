"""What is under the root: files, symlinks, and what could not be seen. No symlink is followed."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from instrument_registry.cleanup.errors import RootRefused

TRASH: Final = ".trash"
NEVER_ENTERED: Final = frozenset({TRASH, ".git", ".hg", ".svn", "__pycache__", "node_modules"})
_OF_AN_ENVIRONMENT: Final = "pyvenv.cfg"


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file, as it was when it was listed.

    Attributes:
        path: relative to the root, `/` between names; bytes that are no UTF-8 as Python's
            surrogates (`os.fsencode` gives them back).
        size: bytes.
        mtime_ns: last change of the content, nanoseconds since 1970.
        device: the file system.
        inode: its number there.
    """

    path: str
    size: int
    mtime_ns: int
    device: int
    inode: int

    @classmethod
    def of(cls, path: str, told: os.stat_result) -> Found:
        """From what the file system tells."""
        return cls(path, told.st_size, told.st_mtime_ns, told.st_dev, told.st_ino)


@dataclass(frozen=True, slots=True)
class Link:
    """A symlink.

    Attributes:
        path: relative to the root.
        target: where it leads, relative to the root; empty for the root, None for outside of it.
    """

    path: str
    target: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything under a root.

    Attributes:
        root: resolved.
        device: the root's file system.
        files: regular files, by path.
        links: symlinks, by path.
        not_entered: folders that are not looked into.
        unseen: folders and files that could not be seen, with the reason.
    """

    root: Path
    device: int
    files: tuple[Found, ...]
    links: tuple[Link, ...] = ()
    not_entered: tuple[str, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()


def root_of(given: Path, home: Path) -> Path:
    """The root that was meant, resolved.

    Raises:
        RootRefused: it is no folder, or `/`, or the home folder, or has that in it, or is in a
            trash or a repository's own folder.
    """
    try:
        root = given.expanduser().resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise RootRefused(f"{given} cannot be reached: {_reason(error)}") from error
    if not root.is_dir():
        raise RootRefused(f"{root} is no folder")
    if root == Path(root.anchor):
        raise RootRefused(f"{root} is refused: it is everything; name the project's folder")
    for one in _homes(home):
        if root == one or root in one.parents:
            raise RootRefused(
                f"{root} is refused: it is {'the home folder' if root == one else f'above {one}'}; "
                "name the project's folder"
            )
    if inside := {TRASH, ".git"} & set(root.parts):
        raise RootRefused(f"{root} is refused: it is inside a {min(inside)}")
    return root


def _homes(home: Path) -> set[Path]:
    try:
        registered = Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        # A user that only a container knows.
        return {home.resolve()}
    return {home.resolve(), registered.resolve()}


def listed(root: Path) -> Listing:
    """List a root that `root_of` gave.

    Raises:
        RootRefused: the root itself cannot be listed.
    """
    files: list[Found] = []
    links: list[Link] = []
    not_entered: list[str] = []
    unseen: list[tuple[str, str]] = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for path, told in _children(root, folder):
            if isinstance(told, OSError):
                unseen.append((path, _reason(told)))
            elif told is None:
                not_entered.append(path)
            elif stat.S_ISDIR(told.st_mode):
                waiting.append(path)
            elif stat.S_ISLNK(told.st_mode):
                links.append(Link(path, _target(root, path)))
            elif stat.S_ISREG(told.st_mode):
                files.append(Found.of(path, told))
    if unseen[:1] and unseen[0][0] == "":
        raise RootRefused(f"{root} cannot be listed: {unseen[0][1]}")
    return Listing(
        root, root.stat().st_dev, tuple(sorted(files, key=lambda one: one.path)),
        tuple(sorted(links, key=lambda one: one.path)), tuple(sorted(not_entered)),
        tuple(sorted(unseen)),
    )  # fmt: skip


def _children(root: Path, folder: str) -> list[tuple[str, os.stat_result | OSError | None]]:
    """What is in a folder; None for what is not entered. The folder itself if it is not read."""
    found: list[tuple[str, os.stat_result | OSError | None]] = []
    try:
        with os.scandir(root / folder) as entries:
            children = list(entries)
    except OSError as error:
        return [(folder, error)]
    if folder and any(child.name == _OF_AN_ENVIRONMENT for child in children):
        return [(folder, None)]
    for child in children:
        path = f"{folder}/{child.name}" if folder else child.name
        try:
            told = child.stat(follow_symlinks=False)
        except OSError as error:
            found.append((path, error))
        else:
            # A worktree's .git is a file: not ours either.
            found.append((path, None if child.name in NEVER_ENTERED else told))
    return found


def _target(root: Path, path: str) -> str | None:
    # A link in a circle resolves to itself: it leads nowhere.
    target = os.path.realpath(root / path)
    if target == str(root):
        return ""
    prefix = f"{root}/"
    return target[len(prefix) :] if target.startswith(prefix) else None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def names_below(root: Path, folder: str) -> Iterator[str]:
    """Every regular file below a folder, relative to it; none if the folder is not there.

    Raises:
        OSError: something below cannot be seen.
    """
    top = root / folder
    if top.is_symlink() or not top.exists():
        return
    for where, _, names in os.walk(top, followlinks=False, onerror=_raise):
        below = os.path.relpath(where, top)
        for name in names:
            path = name if below == "." else f"{below}/{name}"
            if stat.S_ISREG((top / path).lstat().st_mode):
                yield path


def _raise(error: OSError) -> None:
    raise error
