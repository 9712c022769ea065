"""Where the servers of the tests keep their data."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # each server has a folder of its own in it
# What a run of the suite takes at most, several times over.
PLENTY_BYTES = 8 << 30


def server_folder() -> Path:
    """A new folder for a server; in memory, where there is plenty of it.

    PostgreSQL makes 300 files a database, and hundreds of tests have a database of their own: on a
    disk a quarter of a second each. A Unix socket's path holds about 100 bytes, so it is short.
    """
    folder = Path(tempfile.mkdtemp(prefix="iw-", dir=MEMORY if _is_plenty() else None))
    folder.chmod(0o755)
    return folder


def _is_plenty() -> bool:
    if not os.access(MEMORY, os.W_OK):
        return False
    free = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
    return free >= PLENTY_BYTES
