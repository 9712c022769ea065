"""Replace a file as a whole: its readers see the old bytes or the new, never half."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_ABANDONED_SECONDS: Final = 3600


def replace(path: Path, data: bytes) -> None:
    """Write beside the file, bring it to the disk, and move it there.

    A symlink stays: what it points to is replaced. The mode of an old file is kept. The folder is
    made if it is not there.

    Raises:
        OSError: it cannot be written; the old file stands, and nothing is left beside it.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with suppress(FileNotFoundError):
            os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
        waiting = memoryview(data)
        while waiting:
            waiting = waiting[os.write(descriptor, waiting) :]
        os.fsync(descriptor)
        _sweep(target, os.fstat(descriptor).st_mtime)
        temporary.replace(target)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
    _sync(target.parent)


def _sweep(target: Path, now: float) -> None:
    """Remove what writers that died an hour ago or more have left."""
    for left in target.parent.glob(f".{target.name}.*.tmp"):
        with suppress(OSError):
            found = left.lstat()
            if stat.S_ISREG(found.st_mode) and now - found.st_mtime > _ABANDONED_SECONDS:
                left.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
