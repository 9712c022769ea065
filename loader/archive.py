"""The landing folder: `<landing>/<feed>/<as-of>/<sha256>.csv.gz` or `.json.gz`.

Each file is written whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import BinaryIO

from loader.errors import DumpRefused, LandingFailed
from loader.gunzip import gunzip, sniff

READ_SIZE = 1 << 18
ENDINGS = (".csv.gz", ".json.gz")
_PREFIX, _SUFFIX = ".incoming-", ".part"


def archive_path(
    landing: Path, feed: str, as_of: date, sha256: str, ending: str = ENDINGS[0]
) -> Path:
    """Where the dump with this hash (of its uncompressed bytes) is kept."""
    return landing / feed / as_of.isoformat() / f"{sha256}{ending}"


def read_file(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in pieces."""
    with path.open("rb") as file:
        while piece := file.read(READ_SIZE):
            yield piece


def read_archived(path: Path) -> Iterator[bytes]:
    """Yield the uncompressed bytes of an archived dump."""
    return gunzip(read_file(path))


def verified_size(path: Path, sha256: str) -> int | None:
    """Return the uncompressed size of an archived dump, or None where it is gone or damaged."""
    digest, size = hashlib.sha256(), 0
    try:
        for piece in read_archived(path):
            digest.update(piece)
            size += len(piece)
    except (OSError, DumpRefused):
        return None
    return size if digest.hexdigest() == sha256 else None


def content_sha256(path: Path) -> str | None:
    """The hash of a dump's uncompressed bytes, gzip or not; None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        is_gzip, pieces = sniff(read_file(path))
        for piece in gunzip(pieces) if is_gzip else pieces:
            digest.update(piece)
    except (OSError, DumpRefused):
        return None
    return digest.hexdigest()


@contextmanager
def incoming(folder: Path) -> Iterator[BinaryIO]:
    """A temporary file in `folder`, removed at the end unless it was moved away.

    It is locked while it is open: that is how `remove_abandoned` knows the files of dead runs.

    Raises:
        LandingFailed: the folder cannot be written, or the disk is full.
    """
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked_file(folder)
        try:
            yield file
        finally:
            file.close()
            Path(file.name).unlink(missing_ok=True)


def _locked_file(folder: Path) -> BinaryIO:
    while True:
        file = (folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}").open("xb")
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:
                return file
        # Another run swept the file away before it was locked.
        file.close()


def keep(file: BinaryIO, target: Path) -> None:
    """Move a finished temporary file to its place, on disk before it can be seen."""
    with _disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).replace(target)
        _sync_folder(target.parent)


def keep_copy(archived: Path, target: Path) -> None:
    """Put an archived dump in another day's folder too, so that neither depends on the other."""
    if archived == target:
        return
    with incoming(target.parents[1]) as file, archived.open("rb") as original:
        shutil.copyfileobj(original, file)
        keep(file, target)


def gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes in gzip form, the same ones for the same input (no name, no time)."""
    # Level 1: a quarter of the size for a twentieth of a second; more buys little.
    zipper = zlib.compressobj(1, wbits=31)
    for chunk in chunks:
        if packed := zipper.compress(chunk):
            yield packed
    yield zipper.flush()


def remove_abandoned(folder: Path) -> int:
    """Delete the temporary files of runs that died; those of live runs are locked and stay."""
    removed = 0
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed += 1
    return removed


def prune(landing: Path, feed: str, days: int, keep: Collection[Path] = ()) -> list[Path]:
    """Delete the archived dumps of all but the newest `days` as-of dates.

    Args:
        landing: the landing folder.
        feed: whose dumps.
        days: how many day folders stay, at least 1.
        keep: files that stay in any case (a publication may be rolled back to them).

    Returns:
        The files that were deleted.
    """
    if days < 1:
        raise ValueError(f"days is {days}; at least 1 day of dumps is kept")
    kept = {path.resolve() for path in keep}
    folders = sorted((path for path in (landing / feed).glob("*") if _is_day(path)), reverse=True)
    deleted = []
    for folder in folders[days:]:
        for path in sorted(folder.iterdir()):
            if path.name.endswith(ENDINGS) and path.resolve() not in kept:
                path.unlink(missing_ok=True)
                deleted.append(path)
        with suppress(OSError):  # something else is kept there
            folder.rmdir()
    return deleted


def _is_day(path: Path) -> bool:
    try:
        is_date = date.fromisoformat(path.name).isoformat() == path.name
    except ValueError:
        return False
    return is_date and path.is_dir()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LandingFailed(
            f"the dump could not be kept in {folder}: {error.strerror or error}",
            expected="a folder that can be written, with room for the dump",
            next_step="Nothing was landed, and consumers see what they saw: "
            "free some space or mend the folder, then run the same command again.",
        ) from error
