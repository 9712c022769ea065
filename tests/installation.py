"""One installation as a user has it: servers, a home, an `.env`; and what its consumers see.

Commands run as real processes. `seen()` reads every destination the way the programs of
CONTRACTS do, so that a test can say "nothing changed" or "all of it is the new state".
`Installation.keep()` and `put_back()` save and restore all of it, so that a test need not
publish again what another test has published.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import psycopg
import redis
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from instrument_registry.lookups.books import books_of
from instrument_registry.records import RegistryType
from instrument_registry.sources import snapshot

PROJECT = Path(__file__).resolve().parents[1]
TIMEOUT_SECONDS = 180
# How long a condition may take to come true before a test fails.
DEADLINE_SECONDS = 60

POSTGRES, REDIS, DOTENV = "postgres", "redis", "dotenv"
SNAPSHOT, LOOKUP, FOCUS, CANONICAL = FILES = (
    "registry_snapshot", "token_lookup", "focus_instruments", "canonical_instruments",
)  # fmt: skip
DESTINATIONS = (POSTGRES, REDIS, DOTENV, *FILES)

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, seconds: float = DEADLINE_SECONDS) -> T:
    """Poll a condition until it is true; its value. Fails the test after a deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{seconds} s went by without {what}"
        time.sleep(0.01)
    return value


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)

    def ok(self) -> Self:
        """The same, once it is sure that the command went well."""
        assert self.code == 0, f"exit {self.code}\n{self.out}\n{self.err}"
        return self


class Running:
    """A command that goes on, and the lines that it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_lines),
            threading.Thread(target=self._read_errors),
        ]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        assert self.process.stdout
        with self.process.stdout as out:
            for line in out:
                with self._news:
                    self.lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr
        with self.process.stderr as err:
            self._errors.append(err.read())

    def wait_for(self, text: str, seconds: float = DEADLINE_SECONDS) -> None:
        """Until a line holds the text; fails when the command ends without it."""

        def is_said_or_over() -> bool:
            return self._said(text) or not self._readers[0].is_alive()

        with self._news:
            self._news.wait_for(is_said_or_over, seconds)
        assert self._said(text), f"never said {text!r}: {''.join(self.lines)} {self._errors}"

    def _said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> Done:
        """`kill -9`, of this process alone, as an out-of-memory killer does."""
        os.kill(self.pid, signal.SIGKILL)
        done = self.done()
        assert done.code == -signal.SIGKILL, f"it ended before it was killed: {done}"
        return done

    def done(self, seconds: float = TIMEOUT_SECONDS) -> Done:
        """Its end; none of its children outlives it."""
        try:
            self.process.wait(seconds)
            for reader in self._readers:
                reader.join(DEADLINE_SECONDS)
                assert not reader.is_alive(), "a child of the killed process lives on"
        finally:
            self.end()
        return Done(self.process.returncode, "".join(self.lines), "".join(self._errors))

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self.pid:
                    process.kill()
            except (ProcessLookupError, PermissionError, psutil.Error):
                continue
        self.process.wait(DEADLINE_SECONDS)


@dataclass(frozen=True)
class Seen:
    """Everything that consumers can read, whole."""

    instruments: tuple[tuple[Any, ...], ...]
    active: tuple[int, ...]
    marts: Mapping[str, tuple[str, ...]]
    publication: int | None
    redis: Mapping[str, Mapping[str, str]]
    marker: Mapping[str, str]
    env: bytes | None
    token_lookup: bytes | None
    focus: bytes | None
    registry: tuple[Any, ...] | None
    canonical: bytes | None

    def by_destination(self) -> dict[str, object]:
        """What each destination shows, without the instants at which it was written."""
        marker = {name: value for name, value in self.marker.items() if name != "published_at"}
        focus = None if self.focus is None else json.loads(self.focus) | {"generated_date": ""}
        return {
            POSTGRES: (self.instruments, self.active, self.marts, self.publication),
            REDIS: (self.redis, marker),
            DOTENV: self.env,
            SNAPSHOT: self.registry,
            LOOKUP: None if self.token_lookup is None else json.loads(self.token_lookup),
            FOCUS: focus,
            # Its first line says when it was published.
            CANONICAL: self.canonical and self.canonical.partition(b"\n")[2],
        }

    def is_like(self, other: Seen) -> bool:
        return self.by_destination() == other.by_destination()

    def differing(self, other: Seen) -> list[str]:
        """The destinations that show something else."""
        mine, theirs = self.by_destination(), other.by_destination()
        return [name for name in DESTINATIONS if mine[name] != theirs[name]]

    def editions(self, old: Seen, new: Seen) -> dict[str, str]:
        """Which state each destination shows, whole: old, new, or (both being the same) same.

        Fails when a destination shows neither.
        """
        mine, before, after = (one.by_destination() for one in (self, old, new))
        found = {}
        for name in DESTINATIONS:
            is_old, is_new = mine[name] == before[name], mine[name] == after[name]
            assert is_old or is_new, f"{name} shows neither the old nor the new state"
            found[name] = "same" if is_old and is_new else "old" if is_old else "new"
        return found


@dataclass
class Installation:
    """Where everything of one test is."""

    folder: Path
    database_url: str
    redis_url: str
    settings: dict[str, str] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)

    @property
    def env_file(self) -> Path:
        return self.folder / "ingestion" / ".env"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def files(self) -> Path:
        return self.folder / "home" / "files"

    @property
    def snapshot(self) -> Path:
        return self.folder / "home" / "registry.snapshot"

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        return {
            **kept,
            "PYTHONPATH": str(PROJECT),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "WAREHOUSE_HOME": str(self.home),
            "ENV_FILE": str(self.env_file),
            "AS_OF": "2026-08-17",
            "FETCH_ATTEMPTS": "2",
            # Other brokers' dumps hold here what a test needs, no whole market.
            "GATE_FEED_REQUIRED_EXCHANGES": "none",
            **self.settings,
            **extra,
        }

    def start(self, *arguments: str, **extra: str) -> Running:
        """Start `warehouse ARGUMENTS` and return at once."""
        return self.start_program([sys.executable, "-m", "warehouse", *arguments], **extra)

    def start_program(self, command: Sequence[str], **extra: str) -> Running:
        """Start any program in the surroundings of this installation."""
        self.folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running = Running(process)
        self.running.append(running)
        return running

    def run(self, *arguments: str, **extra: str) -> Done:
        """Run `warehouse ARGUMENTS` to its end."""
        return self.start(*arguments, **extra).done()

    def sync(self, source: Path | str, *arguments: str, **extra: str) -> Done:
        return self.run("sync", "--source", str(source), *arguments, **extra)

    def start_sync(self, source: Path | str, *arguments: str, **extra: str) -> Running:
        return self.start("sync", "--source", str(source), *arguments, **extra)

    def close(self) -> None:
        """End what still runs."""
        for running in self.running:
            if running.process.poll() is None:
                running.end()
        self.running.clear()

    def connect(self, **options: Any) -> psycopg.Connection:
        return psycopg.connect(self.database_url, **options)

    def execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement as some other program would; its rows, if it has any."""
        with self.connect(autocommit=True) as connection:
            cursor = connection.execute(query, values or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def redis(self, **options: Any) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url, decode_responses=True, **options)

    # --- what consumers see -----------------------------------------------------------------

    def seen(self) -> Seen:
        with self.connect() as connection:
            instruments = _rows(
                connection,
                "public.instruments",
                "select instrument_token, exchange_token, trading_symbol, name, exchange, segment, "
                "instrument_type, expiry, strike, tick_size, lot_size, is_active, security_id, "
                "source from public.instruments order by instrument_token",
            )
            active = _rows(
                connection,
                "public.instruments",
                "select instrument_token from instruments where is_active = true "
                "order by instrument_token",
            )
            marts = self._marts(connection)
            numbers = _rows(
                connection, "ops.publications", "select max(publication_id) from ops.publications"
            )
        hashes, marker = self._redis()
        return Seen(
            instruments=instruments,
            active=tuple(row[0] for row in active),
            marts=marts,
            publication=numbers[0][0] if numbers else None,
            redis=hashes,
            marker=marker,
            env=_bytes(self.env_file),
            token_lookup=_bytes(self.files / "token_lookup_enriched.json"),
            focus=_bytes(self.files / "focus_instruments.json"),
            registry=_registry(self.snapshot),
            canonical=_bytes(self.files / "canonical_instruments.yaml"),
        )

    def _marts(self, connection: psycopg.Connection) -> dict[str, tuple[str, ...]]:
        names = connection.execute(
            "select relname from pg_class where relnamespace = to_regnamespace('marts') "
            "and relkind in ('r', 'v') order by 1"
        ).fetchall()
        return {
            name: tuple(
                row[0]
                for row in connection.execute(
                    f"select t::text from marts.{name} as t order by 1"  # type: ignore[arg-type]
                )
            )
            for (name,) in names
        }

    def _redis(self) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
        try:
            with self.redis() as client:
                keys = sorted(client.keys("instrument:*"))
                pipeline = client.pipeline(transaction=False)
                for key in keys:
                    pipeline.hgetall(key)
                hashes = dict(zip(keys, pipeline.execute(), strict=True))
                marker = client.hgetall("instruments:publication")
        except redis.ConnectionError:
            return {}, {}
        return hashes, marker

    def env_tokens(self) -> list[int]:
        """What the ingestion service reads: the INSTRUMENTS line, split on commas."""
        from dotenv import dotenv_values

        line = dotenv_values(self.env_file)["INSTRUMENTS"]
        assert line
        return [int(part) for part in line.split(",")]

    # --- saving and restoring ---------------------------------------------------------------

    def keep(self, name: str) -> Kept:
        """Save everything: the database, Redis, the home (without dbt's cache), the `.env`."""
        template = f"{_database_of(self.database_url)}_{name}"
        _copy_database(self.database_url, _database_of(self.database_url), template)
        folder = self.folder.parent / f"{self.folder.name}-{name}"
        shutil.copytree(self.home, folder / "home", ignore=lambda *_: ["dbt", "logs", "reports"])
        shutil.copytree(self.env_file.parent, folder / "ingestion")
        with redis.Redis.from_url(self.redis_url) as client:
            dumped = {key: client.dump(key) for key in client.scan_iter()}
        return Kept(template, folder, dumped)

    def put_back(self, kept: Kept) -> None:
        """Restore what `keep` saved; dbt's cache stays, as it is worth seconds a run."""
        self.close()
        self.wipe_files()
        shutil.copytree(kept.folder, self.folder, dirs_exist_ok=True)
        _copy_database(self.database_url, kept.template, _database_of(self.database_url))
        with redis.Redis.from_url(self.redis_url) as client:
            pipeline = client.pipeline(transaction=True)
            pipeline.flushall()
            for key, value in kept.redis.items():
                pipeline.restore(key, 0, value)
            pipeline.execute()

    def wipe(self) -> None:
        """Begin anew: an empty database, an empty Redis, no files but an empty folder for .env."""
        self.close()
        self.wipe_files()
        _copy_database(self.database_url, "template0", _database_of(self.database_url))
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()

    def wipe_files(self) -> None:
        shutil.rmtree(self.env_file.parent, ignore_errors=True)
        self.env_file.parent.mkdir(parents=True)
        for path in self.home.glob("*"):
            if path.name != "dbt":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@dataclass(frozen=True)
class Kept:
    """A saved state of an installation."""

    template: str
    folder: Path
    redis: Mapping[bytes, bytes]


def seen_as(seen: Seen, **changes: Any) -> Seen:
    """The same but for some of it: to say what exactly a test expects to change."""
    return replace(seen, **changes)


def _database_of(url: str) -> str:
    return str(conninfo_to_dict(url)["dbname"])


def _copy_database(url: str, source: str, target: str) -> None:
    """Make `target` a copy of `source`, whatever it was and whoever is connected to it."""
    names = {"source": sql.Identifier(source), "target": sql.Identifier(target)}
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
        if source != "template0":
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                (source,),
            )
        connection.execute(sql.SQL("drop database if exists {target} with (force)").format(**names))
        connection.execute(sql.SQL("create database {target} template {source}").format(**names))


def _rows(connection: psycopg.Connection, table: str, query: str) -> tuple[tuple[Any, ...], ...]:
    exists = connection.execute("select to_regclass(%s) is not null", (table,)).fetchone()
    if not exists or not exists[0]:
        return ()
    return tuple(connection.execute(query).fetchall())  # type: ignore[arg-type]


def _registry(path: Path) -> tuple[Any, ...] | None:
    """Every row that a registry finds in the snapshot, and which publication it says it is.

    Fails when the file holds no whole snapshot: nobody may ever see half of one.
    """
    if not path.exists():
        return None
    whole = snapshot.read(path)
    rows = sorted(row for book in books_of(whole).values() for row in book.rows)
    focus = snapshot.read(path, RegistryType.INTRADAY_FOCUS)
    told = whole.publication
    return told.number, told.as_of_date, tuple(rows), focus.rows, sorted(whole.focus or ())


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
