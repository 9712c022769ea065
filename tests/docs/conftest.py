"""What the documentation says, as values; and one small published warehouse to try it on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from loader.sample import sample_chunks

PROJECT = Path(__file__).resolve().parents[2]
AS_OF = date(2026, 8, 17)
SAMPLE_ROWS = 8_000
GUIDE = PROJECT / "docs" / "analyst-guide.md"

_QUERY = re.compile(
    r"<!-- columns: (?P<columns>[\w, ]+)(?P<may_be_empty>; may be empty)? -->\n"
    r"```sql\n(?P<text>.*?)\n```",
    re.DOTALL,
)


@dataclass(frozen=True)
class Query:
    """A query of the analyst guide, with what the guide promises of it."""

    text: str
    columns: tuple[str, ...]
    may_be_empty: bool


def pages() -> list[Path]:
    """Every page of the documentation."""
    named = [PROJECT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return named + sorted((PROJECT / "docs").rglob("*.md"))


def queries() -> list[Query]:
    """The queries of the analyst guide."""
    return [
        Query(
            found["text"],
            tuple(name.strip() for name in found["columns"].split(",")),
            found["may_be_empty"] is not None,
        )
        for found in _QUERY.finditer(GUIDE.read_text())
    ]


@pytest.fixture(scope="session")
def published_dsn(
    tmp_path_factory: pytest.TempPathFactory, server_dsn: str, redis_server_url: str
) -> Iterator[str]:
    """A warehouse with a small sample published once; shared by tests that only read."""
    folder = tmp_path_factory.mktemp("documented")
    name = f"documented_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    given = conninfo_to_dict(server_dsn)
    dsn = f"postgresql://{given.get('user', 'postgres')}@/{name}?host={given['host']}"
    dump = folder / "dump.csv"
    dump.write_bytes(b"".join(sample_chunks(rows=SAMPLE_ROWS, as_of=AS_OF)))
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "DATABASE_URL": dsn,
        "REDIS_URL": redis_server_url,
        "WAREHOUSE_HOME": str(folder / "home"),
        "AS_OF": AS_OF.isoformat(),
    }
    done = subprocess.run(
        [sys.executable, "-m", "warehouse", "sync", "--source", str(dump), "--quiet"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield dsn
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )
