"""The suite itself, where the brokers' real dumps are not: it tells what it left out, or fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import generated_market
from tests.end_to_end import dumps

OF_REAL_DUMPS = "tests/instrument_registry/test_cash_and_ids.py"
OF_ANYTHING = "tests/warehouse/test_clock.py"


@pytest.mark.parametrize("place", ["a person's machine", "CI"])
def test_what_is_skipped_is_told_in_one_line_and_fails_in_ci(
    project: Path, tmp_path: Path, place: str
) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "1",
         "--real-dumps", tmp_path / "none", OF_REAL_DUMPS, OF_ANYTHING],
        cwd=project, capture_output=True, text=True, check=False, timeout=120,
        env=environment | ({"CI": "true"} if place == "CI" else {}),
    )  # fmt: skip
    told = re.findall(r"(?m)^(\d+) tests of the brokers' real dumps were skipped", done.stdout)
    if place == "CI":
        assert done.returncode == 1, done.stdout
        assert "CI needs the real broker dumps, and they are not there" in done.stdout
        assert told == []
        return
    assert done.returncode == 0, done.stdout
    (count,) = told
    assert int(count) > 5
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 0


def test_ci_runs_as_ci(project: Path) -> None:
    lines = (project / ".ci" / "run").read_text().splitlines()
    assert lines.index("export CI=true") < lines.index("make test")


def test_the_generated_market_has_what_tests_look_for(tmp_path: Path) -> None:
    """Every exchange, the focus options whole, oddities; where CI has the real one, too."""
    rows = dumps.cut(dumps.read_dump(generated_market(tmp_path)))
    assert 3_000 < len(rows) < 9_000
    assert {row["exchange"] for row in rows} >= {
        "NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO", "GLOBAL",
    }  # fmt: skip
    tokens = {row["tradingsymbol"]: row["instrument_token"] for row in rows}
    assert (tokens["NIFTY 50"], tokens["NIFTY BANK"], tokens["SENSEX"]) == (
        "256265", "260105", "265",
    )  # fmt: skip
    assert any(dumps._is_fine(row["strike"]) for row in rows)
    for name in dumps.FOCUS:
        assert len(dumps.tokens_of(rows, name)) > 100
