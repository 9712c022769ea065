"""`python -m expectations`: the gate alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from expectations.__main__ import main

PROJECT = Path(__file__).resolve().parents[2]


def run(*arguments: str, report: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "expectations", "--report-dir", str(report), *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_green_and_red_candidates_end_with_0_and_4(
    healthy_dsn: str, execute: Callable[[str], None], tmp_path: Path
) -> None:
    common = ("--database-url", healthy_dsn, "--as-of", "2026-08-17")
    green = run(*common, report=tmp_path / "green")
    assert green.returncode == 0, green.stderr
    assert green.stdout.startswith("green: 80 checks evaluated")
    assert (tmp_path / "green" / "summary.html").is_file()
    assert (tmp_path / "green" / "data_docs" / "index.html").is_file()

    execute("delete from candidate.broker_instruments where instrument_token = 260105")
    red = run(*common, report=tmp_path / "red")
    assert red.returncode == 4
    assert "marker-nifty-bank failed" in red.stdout
    summary = json.loads((tmp_path / "red" / "summary.json").read_text())
    assert summary["verdict"]["colour"] == "red"
    assert summary["rows_by_exchange"]["NFO"]["before"] > summary["rows_by_exchange"]["NFO"]["now"]


@pytest.mark.parametrize("acceptance", ["no-such-rule=why", "churn-lot="])
def test_wrong_acceptance_ends_with_2_before_anything_is_done(
    acceptance: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["--database-url", "x", "--as-of", "2026-08-17", "--accept", acceptance,
         "--report-dir", str(tmp_path / "report")]
    )  # fmt: skip
    assert code == 2
    assert "--accept" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_missing_database_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--as-of", "2026-08-17"]) == 2
    assert "DATABASE_URL" in capsys.readouterr().err


def test_unreachable_database_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["--database-url", "postgresql://u:secret@127.0.0.1:1/x", "--as-of", "2026-08-17",
         "--report-dir", str(tmp_path)]
    )  # fmt: skip
    told = capsys.readouterr().err
    assert code == 3
    assert "secret" not in told
    assert "PostgreSQL cannot be reached" in told
