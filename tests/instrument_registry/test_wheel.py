"""The registry alone, as a wheel: it installs anywhere, brings nothing, and works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import instrument_registry as ir
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows, published

PACKAGE = "instrument_registry"
LOOKUP = """
import importlib.util, json, sys
from pathlib import Path
import instrument_registry as ir
others = ("psycopg", "redis", "loader", "exporters", "expectations", "warehouse", "tests", "pip")
assert not [name for name in others if importlib.util.find_spec(name)]
assert Path(sys.prefix) in Path(ir.__file__).parents
registry = ir.get_registry()
found = registry.resolve_for_broker("NIFTY26AUG24800CE", "kite")
print(json.dumps([registry.publication.source, found["unified_id"], found["symboltoken"]]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    into = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, str(project / "wheels" / "build_registry.py"), str(into)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (found,) = into.iterdir()
    assert done.stdout.strip() == str(found)
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the standard library and the wheel."""
    folder = tmp_path_factory.mktemp("trading")
    venv.create(folder, with_pip=False, system_site_packages=False)
    program = folder / "bin" / "python"
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", str(program), "--disable-pip-version-check",
            "install", "--quiet", "--no-index", str(wheel),
        ],
        check=True,
    )  # fmt: skip
    return program


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_it_asks_for_nothing_but_two_extras(wheel: Path, project: Path) -> None:
    told = metadata(wheel)
    main = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert (told["Name"], told["Version"]) == ("instrument-registry", main["version"])
    assert told["Requires-Python"] == main["requires-python"]
    assert told.get_all("Provides-Extra") == ["postgres", "redis"]
    needs = [re.split(r"[\[>;]", one)[0] for one in told.get_all("Requires-Dist", [])]
    assert needs == ["psycopg", "redis"]
    assert all("; extra ==" in one for one in told.get_all("Requires-Dist", []))
    # What an extra brings is what the warehouse is tested with.
    for one in told.get_all("Requires-Dist", []):
        assert one.partition(";")[0] in main["dependencies"]


def test_it_holds_the_package_whole_and_nothing_else(wheel: Path, project: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {one for one in archive.namelist() if ".dist-info/" not in one}
    there = {
        str(path.relative_to(project))
        for path in (project / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == there
    assert f"{PACKAGE}/py.typed" in held
    assert any(name.endswith(".toml") for name in held), "the manifest of the clean-up"


def test_it_resolves_from_a_snapshot_where_nothing_else_is_installed(
    python: Path, tmp_path: Path
) -> None:
    contents = Contents.of(made_rows.market(), ir.Publication(7, published.AT, made_rows.DAY))
    path = tmp_path / "registry.snapshot"
    snapshot.write(path, contents)
    environment = {
        "PATH": os.environ["PATH"],
        "REGISTRY_SNAPSHOT_FILE": str(path),
        "REGISTRY_MAX_AGE_HOURS": "unlimited",
    }
    done = subprocess.run(
        [python, "-c", LOOKUP],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = ir.Registry(contents).resolve_for_broker("NIFTY26AUG24800CE", "zerodha")
    assert found
    assert json.loads(done.stdout) == ["snapshot", found["unified_id"], found["symboltoken"]]


@pytest.mark.parametrize(
    "program", ["registry_sync_monitor", "migration_status", "cleanup_old_token_files"]
)
def test_its_programs_tell_how_they_are_used(python: Path, tmp_path: Path, program: str) -> None:
    done = subprocess.run(
        [python, "-m", f"{PACKAGE}.{program}", "--help"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout.lower()
    assert program in done.stdout
