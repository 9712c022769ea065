"""Who names a file: the lines of text files in which a name stands.

Programs put names together in ways that no search finds (`"session_" + kind + ".json"`), and what
is found may be no more than a comment. Both are for a person to judge: a file that is named stays,
and the lines are shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from instrument_registry.cleanup.tree import Found

LARGEST: Final = 64 << 20
"""Larger files are data, not programs; that they were not searched is said."""
_CHUNK: Final = 1 << 20
_LOOKED_AT: Final = 8192
_BEFORE: Final = 256
_LINES_A_FILE: Final = 20
_FOLDER: Final = re.compile(rb"([^\s/\\'\"`=:;,(){}\[\]<>|&]+)[/\\]\Z")


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """A line that has a file's name in it.

    Attributes:
        path: the file that names, relative to the root.
        line: from 1; 0 for a symlink that leads there.
        name: what it names.
        folder: the folder that stands before the name, as in `jsonl/tokens.json`; else empty.
    """

    path: str
    line: int
    name: str
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found.

    Attributes:
        mentions: by path and line.
        unread: files that could not be read, with the reason.
        too_large: files that are larger than `LARGEST`.
    """

    mentions: tuple[Mention, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    too_large: tuple[str, ...] = ()


def search(root: Path, files: Iterable[Found], names: Collection[str]) -> Searched:
    """Every line of the text files among `files` that has one of the names in it.

    A file with a NUL in its first bytes is no text. Of one file, at most
    twenty lines a name and folder.
    """
    if not names:
        return Searched()
    mentions: list[Mention] = []
    unread: list[tuple[str, str]] = []
    too_large: list[str] = []
    needles = {os.fsencode(name): name for name in names}
    for one in files:
        if one.size > LARGEST:
            too_large.append(one.path)
            continue
        try:
            descriptor = os.open(root / one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                mentions += _of_file(one.path, file, needles)
        except OSError as error:
            unread.append((one.path, error.strerror or str(error)))
    return Searched(tuple(sorted(set(mentions))), tuple(unread), tuple(too_large))


def _of_file(path: str, file: IO[bytes], needles: dict[bytes, str]) -> Iterator[Mention]:
    first = file.read(_LOOKED_AT)
    if b"\0" in first:
        return
    counts: dict[tuple[str, str], int] = {}
    keep = max(map(len, needles)) + _BEFORE
    text, seen, line = first, 0, 1
    while text[seen:]:
        for needle, name in needles.items():
            at = text.find(needle)
            while at >= 0:
                # What ends in the part that was kept was found in the round before.
                if at + len(needle) > seen:
                    folder = _folder(text, at)
                    count = counts[name, folder] = counts.get((name, folder), 0) + 1
                    if count <= _LINES_A_FILE:
                        yield Mention(path, line + text.count(b"\n", 0, at), name, folder)
                at = text.find(needle, at + 1)
        kept = text[-keep:]
        line += text.count(b"\n", 0, len(text) - len(kept))
        text, seen = kept + file.read(_CHUNK), len(kept)


def _folder(text: bytes, at: int) -> str:
    found = _FOLDER.search(text, max(0, at - _BEFORE), at)
    return os.fsdecode(found[1]) if found else ""
