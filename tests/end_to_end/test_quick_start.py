"""The README's quick start, as somebody types it after a checkout: no settings, no servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dotenv import dotenv_values

from tests.terminal import run_in_terminal


class Checkout:
    """A folder in which `make` works, on the virtual environment that runs the tests."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(project / name, folder / name)
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        (folder / ".venv" / ".ready").touch()

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the warehouse's."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *words], cwd=self.folder, capture_output=True, text=True, check=False,
            env=self.environment, timeout=180,
        )  # fmt: skip

    def make_in_a_terminal(self, *words: str) -> tuple[int, str]:
        return run_in_terminal(["make", *words], cwd=self.folder, environment=self.environment)

    def servers(self) -> list[str]:
        """The command lines of servers that still run on this folder's data."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if str(self.folder) in words and ("postgres" in words or "redis" in words):
                found.append(words)
        return found


@pytest.fixture
def checkout(project: Path) -> Iterator[Checkout]:
    # Not below pytest's folder, which nobody else may enter: under root, PostgreSQL is another.
    folder = Path(tempfile.mkdtemp(prefix="iw-quick-start-"))
    folder.chmod(0o755)
    checkout = Checkout(project, folder)
    yield checkout
    checkout.make("down")
    assert checkout.servers() == []
    shutil.rmtree(folder, ignore_errors=True)


def test_the_quick_start_without_a_network_as_it_is_written(checkout: Checkout) -> None:
    code, drawn = checkout.make_in_a_terminal("sync", "FILTER=nifty", "SOURCE=sample")
    assert code == 0, drawn
    # What a person sees meanwhile: how much has landed, which model and which test is on.
    assert re.search(r"land +copying into staging +[\d.]+/[\d.]+ MB", drawn)
    assert re.search(r"build +\w+ +\d+/\d+ ", drawn)
    assert re.search(r"✓ gate +green: \d+ checks evaluated", drawn)
    # And at the end.
    told = " ".join(drawn.split())
    assert "Published as 1 (as of " in told
    assert "rows 126,000: " in told
    assert (checkout.folder / ".warehouse" / "registry.snapshot").is_file()
    (page,) = (checkout.folder / ".warehouse" / "reports").glob("*/summary.html")
    assert str(page) in drawn.replace("\n", "")
    line = dotenv_values(checkout.folder / ".env")["INSTRUMENTS"]
    assert line
    tokens = line.split(",")
    assert len(set(tokens)) == len(tokens) > 1_000
    assert f"subscriptions {len(tokens):,} " in told

    # Made-up tokens are never safe to trade on, however well they were published.
    status = checkout.make("status")
    assert "publication 1 " in " ".join(status.stdout.split())
    assert "sample" in status.stdout
    assert status.returncode == 2
    assert "Error 3" in status.stderr

    again = checkout.make("sync", "FILTER=nifty", "SOURCE=sample")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Already published as 1" in again.stdout
    assert "build:" not in again.stdout

    assert checkout.servers() != []
    down = checkout.make("down")
    assert (down.returncode, checkout.servers()) == (0, [])
    assert "stopped " in down.stdout
