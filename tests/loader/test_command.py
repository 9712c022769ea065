"""`python -m loader` on its own: one line on standard error and a fixed exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.loader.broker import DUMP, HEADER, ROW, Broker, gzipped, reply

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(project: Path, landing: Path, postgres_dsn: str) -> Run:
    def run(*arguments: str, dsn: str = postgres_dsn) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable, "-m", "loader", "--as-of", "2026-08-17", "--landing", str(landing),
                "--database-url", dsn, *arguments,
            ],
            cwd=project, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


def test_a_dump_is_fetched_and_landed(
    run: Run, broker: Broker, connection: psycopg.Connection
) -> None:
    broker.answer(gzipped(ETag='"v1"'))
    done = run("--url", broker.url)
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr == (f"landed 2 rows of {broker.url} in staging.kite_instruments as load 1\n")
    rows = connection.execute("select name from staging.kite_instruments order by 1").fetchall()
    assert rows == [("NIFTY 50",), ("RELIANCE INDUSTRIES",)]


def test_a_second_run_asks_only_for_something_newer(run: Run, broker: Broker) -> None:
    broker.answer(gzipped(ETag='"v1"'), reply(b"", 304))
    run("--url", broker.url)
    done = run("--url", broker.url)
    assert done.stderr.endswith("as load 2\n")
    assert broker.requests[1]["If-None-Match"] == '"v1"'


def test_a_warning_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dump.csv").write_text(f"{HEADER},isin\n{ROW},X\n")
    done = run("--source", str(tmp_path / "dump.csv"))
    assert "; warning: column 13 of the Kite dump, 'isin', is new" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--source", "/no/such.csv"), 2, "error: there is no file /no/such.csv; expected"),
        (("--feed", "nobody"), 2, "error: there is no feed named 'nobody'"),
    ],
)
def test_failures_are_one_line_and_a_code(
    run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_outage_ends_with_3_and_names_the_offline_command(run: Run, broker: Broker) -> None:
    done = run("--url", broker.answer(reply(b"", 404)))
    assert done.returncode == 3
    assert "make sync FILTER=nifty SOURCE=sample" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bad_dump_ends_with_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dump.csv").write_bytes(DUMP + b"1,2,3\n")
    done = run("--source", str(tmp_path / "dump.csv"))
    assert done.returncode == 1
    assert "dump.csv: line 4 has 3 fields; expected 12 fields" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_postgres_ends_with_3_and_shows_no_password(run: Run) -> None:
    done = run("--source", "sample", dsn="postgresql://u:hunter2@127.0.0.1:1/none")
    assert done.returncode == 3
    assert "PostgreSQL cannot be used" in done.stderr
    assert "hunter2" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--as-of", "yesterday"), ("--nonsense",)])
def test_wrong_usage_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2


def test_the_database_comes_from_the_environment_when_not_said(
    project: Path, landing: Path, postgres_dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "dump.csv").write_bytes(DUMP)
    done = subprocess.run(
        [
            sys.executable, "-m", "loader", "--as-of", "2026-08-17", "--landing", str(landing),
            "--source", str(tmp_path / "dump.csv"),
        ],
        cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "DATABASE_URL": postgres_dsn},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
