"""`python -m exporters.postgres`, as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg

from exporters.postgres import publish
from tests.exporters.postgres.candidate_builder import build, content, request


def run(project: Path, dsn: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporters.postgres", "--database-url", dsn, *options],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_damaged_table_is_mended_and_a_whole_one_left_alone(
    warehouse: psycopg.Connection, postgres_dsn: str, project: Path
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    tokens = "(select instrument_token, trading_symbol, is_active from public.instruments) as t"
    whole = content(warehouse, tokens)
    assert "unchanged" in run(project, postgres_dsn).stdout
    warehouse.execute("delete from public.instruments where exchange = 'NFO'")
    damaged = content(warehouse, tokens)

    planned = run(project, postgres_dsn, "--dry-run")
    assert (planned.returncode, content(warehouse, tokens)) == (0, damaged)
    assert "differs" in planned.stdout

    mended = run(project, postgres_dsn)
    assert (mended.returncode, content(warehouse, tokens)) == (0, whole), mended.stderr


def test_damage_of_the_published_tables_is_refused(
    warehouse: psycopg.Connection, postgres_dsn: str, project: Path
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    before = content(warehouse, "public.instruments")
    warehouse.execute("delete from marts.active_subscriptions")
    refused = run(project, postgres_dsn)
    assert refused.returncode == 5
    assert "Run the last sync again" in refused.stderr
    assert content(warehouse, "public.instruments") == before
