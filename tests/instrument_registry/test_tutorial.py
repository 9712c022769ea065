"""The tutorial: its blocks run as they stand, in order, and draw the picture that it shows.

Where the page says `make sync`, the next publication is put in the snapshot, as the sync does.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import instrument_registry as ir
from instrument_registry.flags import ENVIRONMENT
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows, published

_BLOCK = re.compile(r"```(\w+)\n(.*?)```\n", re.DOTALL)
FOCUS = [one for one in made_rows.nifty_ids() if str(made_rows.EXPIRIES[-1]) not in one]
PICTURE = "option-chain.svg"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in (*ENVIRONMENT, "REGISTRY_SNAPSHOT_FILE", "REGISTRY_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("REGISTRY_MAX_AGE_HOURS", "unlimited")
    monkeypatch.setenv("AS_OF", made_rows.DAY.isoformat())
    ir.clear_registry_cache()
    yield tmp_path
    ir.clear_registry_cache()


def publish(home: Path, number: int) -> None:
    told = ir.Publication(number, published.AT, made_rows.DAY)
    snapshot.write(home / "registry.snapshot", Contents.of(made_rows.market(), told, FOCUS))


def run_python(code: str, known: dict[str, Any], runner: doctest.DocTestRunner) -> None:
    if ">>>" not in code:
        exec(compile(code, "tutorial", "exec"), known)
        return
    test = doctest.DocTestParser().get_doctest(code, known, "tutorial", None, 0)
    runner.run(test, clear_globs=False)
    known.update(test.globs)


def run_shell(line: str, home: Path, project: Path) -> None:
    """Run a line of the page in the home; its redirection is ours."""
    command, _, into = line.partition(" > ")
    program, script, *arguments = shlex.split(command)
    assert program == ".venv/bin/python"
    done = subprocess.run(
        [sys.executable, str(project / script), *arguments],
        cwd=home, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(project)},
    )  # fmt: skip
    (home / into).write_text(done.stdout)


def test_the_tutorial_holds(home: Path, project: Path) -> None:
    page = (project / "docs" / "tutorial.md").read_text()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    known: dict[str, Any] = {}
    number = made_rows.PUBLICATION.number or 0
    for language, code in _BLOCK.findall(page):
        if language == "python":
            run_python(code, known, runner)
        elif "make sync" in code:
            publish(home, number)
            number += 1
        else:
            run_shell(code.strip(), home, project)
    assert runner.failures == 0
    assert runner.tries >= 25
    assert number == 9
    # The picture on the page is what that line draws.
    assert (home / PICTURE).read_text() == (project / "docs" / PICTURE).read_text()


def test_every_block_of_the_tutorial_is_run(project: Path) -> None:
    page = (project / "docs" / "tutorial.md").read_text()
    found = _BLOCK.findall(page)
    assert len(found) * 2 == page.count("```")
    assert {language for language, _ in found} == {"python", "sh"}


def test_a_chain_of_nothing_is_no_picture(home: Path, project: Path) -> None:
    publish(home, 7)
    done = subprocess.run(
        [sys.executable, str(project / "docs" / "draw_chain.py"), "NOBODY", "100"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(project)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "NOBODY: the chain is empty" in done.stderr


def test_the_picture_says_what_a_side_lacks(home: Path, project: Path) -> None:
    publish(home, 7)
    done = subprocess.run(
        [
            sys.executable, str(project / "docs" / "draw_chain.py"), "NIFTY", "26000",
            "--expiry", "2026-08-25", "--each-side", "0", "--brokers", "zerodha", "dhan",
        ],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(project)},
    )  # fmt: skip
    assert "NIFTY26AUG26000CE" in done.stdout
    assert "not at dhan" in done.stdout
    assert "not listed" in done.stdout
    assert "between the arrows" not in done.stdout
