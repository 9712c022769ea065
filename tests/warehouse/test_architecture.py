"""The arrows of the design: who may import whom, held by reading every import statement."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("loader", "expectations", "exporters", "instrument_registry", "warehouse")
MAY_IMPORT = {
    "loader": {"loader"},
    "expectations": {"expectations"},
    # It writes the registry's snapshot in the registry's own words: one layout, one writer.
    "exporters": {"exporters", "instrument_registry"},
    "instrument_registry": {"instrument_registry"},
    "warehouse": set(PACKAGES),
}
# What takes long to import, and who must not import it merely by being imported.
HEAVY = {"great_expectations", "dbt", "pandas", "sqlalchemy"}
VAGUE = {"utils", "helpers", "common", "misc"}


def modules(project: Path, package: str) -> list[Path]:
    found = sorted((project / package).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_point_one_way(project: Path, package: str) -> None:
    wrong = {
        str(path.relative_to(project)): sorted(ours - MAY_IMPORT[package])
        for path in modules(project, package)
        if (ours := imported(path) & set(PACKAGES)) - MAY_IMPORT[package]
    }
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_small_and_named_for_what_they_do(project: Path, package: str) -> None:
    for path in modules(project, package):
        assert path.stem not in VAGUE
        assert len(path.read_text().splitlines()) <= 350, path


def test_only_settings_and_mains_read_the_environment(project: Path) -> None:
    allowed = {
        "settings.py",
        "__main__.py",
        "standalone.py",
        "cli.py",
        "dbt_profile.py",
        "audit.py",
    }
    for package in PACKAGES:
        for path in modules(project, package):
            if path.name not in allowed:
                assert "os.environ" not in path.read_text(), path


def test_only_the_clock_reads_the_time_of_day(project: Path) -> None:
    # The last two can be run alone, and then hand their clock on.
    allowed = {"clock.py", "__main__.py", "dotenv.py", "json_files.py"}
    for package in PACKAGES:
        for path in modules(project, package):
            if path.name not in allowed:
                text = path.read_text()
                assert "datetime.now(" not in text, path
                assert "date.today(" not in text, path
                assert "datetime.utcnow(" not in text, path


def test_answering_a_question_imports_nothing_heavy(project: Path) -> None:
    """`warehouse status`, and a repeated sync, must not wait for dbt or Great Expectations."""
    code = (
        "import sys, warehouse.cli, warehouse.commands, warehouse.summary, warehouse.status;"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
