"""What a run is going to move, on the disk before it moves anything.

    {"run": "20261121-181502-5f3a", "root": "/srv/trading", "begun_at": ..., "files": 2}
    {"path": "jsonl/tokens.json", "size": 12, "mtime_ns": 17..., "sha256": "9f..."}   a line a file
    {"planned": 2}                            everything above is on the disk: moving begins
    {"finished_at": ..., "moved": 2}          not there if the run was cut off
    {"undone_at": ..., "restored": 2}         once for each undo

It stands beside the run's folder in the trash, which holds the files under their old paths. Where
a file is, the folders say themselves; so a journal that was cut off, or lost, loses no file.
Bytes of a name that are no UTF-8 are escaped as Python's surrogates.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from instrument_registry.cleanup.plan import Entry

SUFFIX: Final = ".journal"


@dataclass(frozen=True, slots=True)
class Journal:
    """What could be read of a journal.

    Attributes:
        paths: of the files that were to be moved.
        is_whole: every line up to `planned` is there.
        is_finished: the run came to its end.
        is_undone: everything was put back at least once.
    """

    paths: tuple[str, ...] = ()
    is_whole: bool = False
    is_finished: bool = False
    is_undone: bool = False


def text_of(run: str, root: Path, entries: Iterable[Entry], now: datetime) -> bytes:
    """The journal of a run that is about to begin."""
    files = [_line_of(one) for one in entries]
    head = {"run": run, "root": str(root), "begun_at": now.isoformat(), "files": len(files)}
    lines = [head, *files, {"planned": len(files)}]
    return b"".join(_encoded(line) for line in lines)


def _line_of(entry: Entry) -> dict[str, Any]:
    found = entry.found
    assert found is not None  # noqa: S101 - symlinks are not moved
    return {
        "path": entry.path, "size": found.size, "mtime_ns": found.mtime_ns, "sha256": entry.sha256,
    }  # fmt: skip


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"


def begin(at_trash: int, run: str, data: bytes) -> None:
    """Write a journal, and bring it and its name to the disk.

    Raises:
        OSError: it cannot be written; nothing may be moved.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    _write(os.open(run + SUFFIX, flags, 0o600, dir_fd=at_trash), data)
    os.fsync(at_trash)


def add(at_trash: int, run: str, line: Mapping[str, Any]) -> None:
    """Add a line to a journal.

    Raises:
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    # After a line that was cut off, a new one.
    _write(os.open(run + SUFFIX, flags, 0o600, dir_fd=at_trash), b"\n" + _encoded(line))


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def parse(data: bytes) -> Journal:
    """What a journal says; lines that are torn or foreign say nothing."""
    paths: list[str] = []
    said: set[str] = set()
    for text in data.split(b"\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not isinstance(line, dict):
            continue
        said |= line.keys()
        path = line.get("path")
        if isinstance(path, str) and is_relative(path):
            paths.append(path)
    return Journal(tuple(paths), "planned" in said, "finished_at" in said, "undone_at" in said)


def is_relative(path: str) -> bool:
    """Whether a path stays under the folder that it is put below."""
    return "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def read(at_trash: int, run: str) -> Journal | None:
    """The journal of a run; None if there is none.

    Raises:
        OSError: it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(run + SUFFIX, flags, dir_fd=at_trash)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return parse(file.read())
