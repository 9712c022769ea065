"""Where the warehouse's own PostgreSQL and Redis listen, if they run: read from what they leave.

They are never started, stopped or held open from here: a program that looks instruments up is a
guest. `warehouse up` starts them. Both listen on Unix sockets below `WAREHOUSE_HOME`, or, where
that path is too long for one, in a folder with a short name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

# As `warehouse.servers` has them; a test holds the two together.
_DATABASE: Final = "warehouse"
_LONGEST_SOCKET_PATH: Final = 100
# Lines of PostgreSQL's postmaster.pid, from 0; see its src/include/utils/pidfile.h.
_PORT, _SOCKET_FOLDER, _STATUS = 3, 4, 7
_READY: Final = "ready"


def postgres_url(home: Path) -> str | None:
    """The URL of the embedded PostgreSQL; None if it does not run, or may not be seen.

    Args:
        home: WAREHOUSE_HOME.
    """
    try:
        lines = (home.absolute() / "postgres" / "postmaster.pid").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    if len(lines) <= _STATUS or lines[_STATUS].strip() != _READY:
        return None
    port, folder = lines[_PORT].strip(), lines[_SOCKET_FOLDER].strip()
    # One that was killed leaves the file behind, and sometimes the socket: connecting tells.
    if not folder or not _exists(Path(folder) / f".s.PGSQL.{port}"):
        return None
    return f"postgresql://postgres@/{_DATABASE}?host={quote(folder, safe='')}&port={port}"


def redis_url(home: Path) -> str | None:
    """The URL of the embedded Redis; None if it does not run, or may not be seen.

    Args:
        home: WAREHOUSE_HOME.
    """
    folder = home.absolute() / "redis"
    socket = folder / "redis.sock"
    if len(str(socket).encode()) > _LONGEST_SOCKET_PATH:
        import hashlib  # noqa: PLC0415 - seldom needed
        import tempfile  # noqa: PLC0415

        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        socket = Path(tempfile.gettempdir()) / f"warehouse-{os.getuid()}-{digest}" / "redis.sock"
    return f"unix://{quote(str(socket))}" if _exists(socket) else None


def _exists(socket: Path) -> bool:
    try:
        return socket.is_socket()
    except OSError:
        return False
