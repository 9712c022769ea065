"""Replace a file as a whole: its readers see the old content or the new, never half.

A temporary file in the same folder is written, brought to the disk and renamed over the old one.
A symlink stays: the file that it points to is replaced. Mode, owner and extended attributes
are kept. The temporary file is locked while it is being written, so that one whose writer died
can be told from one in use, on any host or container that shares the folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exporters.errors import DestinationRefused, DestinationUnavailable

_TEMPORARY = ".warehouse-tmp"
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)

OLD_FILE = "Its readers see the old file, whole."


def real_path(path: Path) -> Path:
    """The file itself, behind symlinks; it may not exist yet.

    Raises:
        DestinationRefused: Symlinks in a circle, or something else than a file.
    """
    try:
        found = path.resolve()
        mode = found.stat().st_mode if found.exists() else stat.S_IFREG
    except (OSError, RuntimeError) as error:
        if isinstance(error, PermissionError):
            raise unavailable(path, error) from error
        raise _no_file(path, "a symlink in a circle") from error
    if not stat.S_ISREG(mode):
        raise _no_file(path, "not a regular file")
    return found


def read_file(path: Path) -> bytes | None:
    """The file's bytes; None if there is none.

    Raises:
        DestinationUnavailable: It cannot be read.
        DestinationRefused: It is no regular file.
    """
    real = real_path(path)
    try:
        return real.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unavailable(path, error) from error


def replace_file(
    path: Path,
    content: bytes,
    *,
    mode: int,
    is_current: Callable[[], bool] = lambda: True,
) -> bool:
    """Put the content in the file's place.

    Args:
        path: The file, or a symlink to it.
        content: All of its new bytes.
        mode: The permissions of a file that does not exist yet.
        is_current: Asked right before the rename, when everything else is done.

    Returns:
        False if `is_current` said no: nothing was changed.

    Raises:
        DestinationUnavailable: The folder is read-only, the disk full, ...; the old file is whole.
        DestinationRefused: The file's owner cannot be kept.
    """
    real = real_path(path)
    with _failing_as(path):
        _sweep(real)
        with _temporary_beside(real) as (descriptor, temporary):
            _take_over(real, descriptor, temporary, mode)
            _write_all(descriptor, content)
            os.fsync(descriptor)
            if not is_current():
                return False
            temporary.replace(real)
        sync_folder(real.parent)
    return True


def create_file(folder: Path, names: Iterator[str], content: bytes, like: Path) -> Path:
    """Write a new file under the first of the names that is free; with the mode of another.

    The name appears when all of the content is on the disk, never before.

    Raises:
        DestinationUnavailable: It cannot be written; nothing is left of it.
    """
    beside = folder / like.name
    with _failing_as(folder):
        _sweep(beside)
        with _temporary_beside(beside) as (descriptor, temporary):
            _take_over(like, descriptor, temporary, 0o600)
            _write_all(descriptor, content)
            os.fsync(descriptor)
            path = _link_first_free(temporary, folder, names)
        sync_folder(folder)
    return path


def sync_folder(folder: Path) -> None:
    """Bring a rename or a new name in the folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unavailable(path: Path, error: OSError) -> DestinationUnavailable:
    """The error for a file that cannot be read or written now."""
    reasons = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the quota is used up",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission is denied",
        errno.EPERM: "the operation is not permitted",
        errno.ENOENT: "its folder does not exist",
        errno.EFBIG: "the file would be larger than allowed",
    }
    reason = reasons.get(error.errno or 0, error.strerror or type(error).__name__)
    return DestinationUnavailable(
        f"{path} cannot be written: {reason}",
        expected="a folder in which a file can be created and renamed",
        consumers=OLD_FILE,
        remedy="Make room or give the right to write, then run the export again.",
    )


def _no_file(path: Path, what: str) -> DestinationRefused:
    return DestinationRefused(
        f"{path} is {what}",
        expected="a file, a symlink to one, or nothing yet",
        consumers="Nothing was changed.",
        remedy="Move it away or set another path.",
    )


@contextmanager
def _failing_as(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unavailable(path, error) from error


@contextmanager
def _temporary_beside(real: Path) -> Iterator[tuple[int, Path]]:
    """A locked temporary file beside the real one; gone afterwards, whatever happens."""
    temporary = real.with_name(f"{_start(real)}{secrets.token_hex(6)}{_TEMPORARY}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor, temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _start(real: Path) -> str:
    """What the names of the file's temporary files begin with: hidden files, all of them."""
    return f".{real.name.removeprefix('.')}."


def _sweep(real: Path) -> None:
    """Remove the temporary files of this file whose writers died."""
    for entry in list(os.scandir(real.parent)):
        if entry.name.startswith(_start(real)) and entry.name.endswith(_TEMPORARY):
            with suppress(OSError):
                _remove_if_unlocked(Path(entry.path))


def _remove_if_unlocked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def _take_over(real: Path, descriptor: int, temporary: Path, mode: int) -> None:
    """Give the new file the owner, mode and attributes of the old one.

    Raises:
        DestinationRefused: Only the owner or root may do that, and we are neither.
    """
    try:
        old = real.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, mode)
        return
    mine = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (mine.st_uid, mine.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError as error:
            raise DestinationRefused(
                f"{real} belongs to user {old.st_uid}, group {old.st_gid}, and this process "
                f"(user {mine.st_uid}) cannot create a file for them",
                expected="a file of our own user, or the rights of root",
                consumers=OLD_FILE,
                remedy="Run the export as the file's owner.",
            ) from error
    shutil.copystat(real, temporary)
    os.utime(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    waiting = memoryview(content)
    while waiting:
        waiting = waiting[os.write(descriptor, waiting) :]


def _link_first_free(temporary: Path, folder: Path, names: Iterator[str]) -> Path:
    while True:
        path = folder / next(names)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS or path.exists():
                raise
            temporary.rename(path)
        return path
