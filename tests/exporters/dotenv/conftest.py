from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest

from exporters.dotenv import DotenvLine
from exporters.schema import ensure_schema

NOW = datetime(2026, 8, 17, 3, 10, 9, tzinfo=UTC)


@dataclass
class Published:
    """A database with a published line, and a folder with a `.env`."""

    dsn: str
    connection: psycopg.Connection
    path: Path

    def publish(self, *tokens: int) -> None:
        """Publish a line of these tokens; none: no line."""
        with self.connection.transaction():
            self.connection.execute("truncate marts.exp_dotenv__instruments")
            if tokens:
                self.put(",".join(map(str, tokens)), len(tokens))

    def put(self, value: str, tokens: int, variable: str = "INSTRUMENTS") -> None:
        with self.connection.transaction():
            self.connection.execute(
                "insert into marts.exp_dotenv__instruments values (%s, %s, %s)",
                (variable, value, tokens),
            )

    def destination(self, path: Path | None = None) -> DotenvLine:
        return DotenvLine(path or self.path, self.connection, lambda: NOW)

    @property
    def backups(self) -> dict[str, bytes]:
        folder = self.path.parent / "backups"
        found = folder.iterdir() if folder.exists() else ()
        return {path.name: path.read_bytes() for path in found}


@pytest.fixture
def published(postgres_dsn: str, tmp_path: Path) -> Iterator[Published]:
    with psycopg.connect(postgres_dsn) as connection:
        ensure_schema(connection)
        connection.execute(
            "create table marts.exp_dotenv__instruments"
            " (variable text primary key, value text, tokens integer)"
        )
        connection.execute(
            "insert into ops.publications"
            " (publication_id, published_at, as_of_date, filter, fingerprint)"
            " values (1, %s, %s, 'nifty', 'f')",
            (NOW, date(2026, 8, 17)),
        )
        connection.commit()
        folder = tmp_path / "service"
        folder.mkdir()
        yield Published(postgres_dsn, connection, folder / ".env")
