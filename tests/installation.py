"""One installation as a user has it: servers, a home, an `.env`; and what its consumers see.

Commands run as real processes. `seen()` reads every destination the way the programs of
CONTRACTS do, so that a test can say "nothing changed" or "all of it is the new state".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

PROJECT = Path(__file__).resolve().parents[1]
TIMEOUT_SECONDS = 180


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


@dataclass
class Installation:
    """Where everything of one test is."""

    folder: Path
    database_url: str
    redis_url: str
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def env_file(self) -> Path:
        return self.folder / "ingestion" / ".env"

    @property
    def home(self) -> Path:
        return self.folder / "home"

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
            **self.settings,
            **extra,
        }

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        """Start `warehouse ARGUMENTS` and return at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.env_file.parent.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "warehouse", *arguments],
            cwd=self.folder,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **extra: str) -> Done:
        """Run `warehouse ARGUMENTS` to its end."""
        process = self.start(*arguments, **extra)
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        return Done(process.returncode, out, err)

    def sync(self, source: Path | str, *arguments: str, **extra: str) -> Done:
        return self.run("sync", "--source", str(source), *arguments, **extra)

    # --- what consumers see -----------------------------------------------------------------

    def seen(self) -> Seen:
        with psycopg.connect(self.database_url) as connection:
            instruments = _rows(
                connection,
                "public.instruments",
                "select * from public.instruments order by instrument_token",
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
            token_lookup=_bytes(self.home / "files/token_lookup_enriched.json"),
            focus=_bytes(self.home / "files/focus_instruments.json"),
        )

    def _marts(self, connection: psycopg.Connection) -> dict[str, tuple[str, ...]]:
        names = connection.execute(
            "select tablename from pg_tables where schemaname = 'marts' order by 1"
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
            with redis.Redis.from_url(self.redis_url, decode_responses=True) as client:
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


def _rows(connection: psycopg.Connection, table: str, query: str) -> tuple[tuple[Any, ...], ...]:
    exists = connection.execute("select to_regclass(%s) is not null", (table,)).fetchone()
    if not exists or not exists[0]:
        return ()
    return tuple(connection.execute(query).fetchall())  # type: ignore[arg-type]


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
