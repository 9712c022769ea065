"""The old entry points, as an old cron line calls them: by the system's Python, from anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

SCRIPTS = {
    "sync_instruments.py": "banknifty",
    "update_nifty_options.py": "nifty",
    "update_instruments.py": "all",
}


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nothing but its standard library, as a system's is."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-c", "import typer"], capture_output=True, check=False)
    assert done.returncode == 1, "this Python has what the warehouse needs"
    return python


@pytest.fixture
def checkout(project: Path, tmp_path: Path) -> Path:
    """A checkout with its scripts and, by way of a link, the virtual environment of this one."""
    folder = tmp_path / "checkout"
    shutil.copytree(project / "scripts", folder / "scripts")
    (folder / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    # So that a run ends at once, and shows whose settings it read.
    (folder / ".env").write_text("AS_OF=17-08-2026\n")
    return folder


def call(python: Path, script: Path, *arguments: str, cwd: Path) -> tuple[int, str]:
    done = subprocess.run(
        [python, script, *arguments], cwd=cwd, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd)}, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(("script", "chosen"), SCRIPTS.items(), ids=SCRIPTS)
def test_the_systems_python_hands_over_to_the_projects_own(
    bare_python: Path, checkout: Path, tmp_path: Path, script: str, chosen: str
) -> None:
    arguments = ["--filter", chosen] if script == "sync_instruments.py" else []
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code, said = call(bare_python, checkout / "scripts" / script, *arguments, cwd=elsewhere)
    told, error = said.splitlines()
    assert told == (
        f"scripts/{script} is deprecated: use `warehouse sync --filter {chosen}` (or make sync)."
    )
    # The settings of the checkout were read, by the warehouse itself.
    assert error.startswith("error: AS_OF: ")
    assert "17-08-2026" in error
    assert code == 2
    assert list(elsewhere.iterdir()) == []


def test_a_script_is_found_by_a_relative_path_too(bare_python: Path, checkout: Path) -> None:
    code, said = call(bare_python, Path("scripts/update_instruments.py"), cwd=checkout)
    assert code == 2
    assert "error: AS_OF: " in said


def test_without_a_virtual_environment_it_says_what_to_do(
    bare_python: Path, checkout: Path
) -> None:
    (checkout / ".venv").unlink()
    code, said = call(bare_python, checkout / "scripts/update_instruments.py", cwd=checkout)
    assert code == 2
    assert "use `warehouse sync --filter all`" in said
    assert f"Run `make setup` in {checkout}" in said
    assert "Traceback" not in said


def test_a_virtual_environment_without_the_warehouse_does_not_call_itself_for_ever(
    bare_python: Path, checkout: Path
) -> None:
    (checkout / ".venv").unlink()
    (checkout / ".venv").symlink_to(bare_python.parents[1], target_is_directory=True)
    code, said = call(bare_python, checkout / "scripts/update_instruments.py", cwd=checkout)
    assert code == 2
    assert said.count("is deprecated") == 1
    assert "is not installed" in said
