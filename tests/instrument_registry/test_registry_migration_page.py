"""The page about moving to the registry: its commands run, and print what it says."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import instrument_registry as ir
from instrument_registry.cleanup import manifest
from instrument_registry.flags import ENVIRONMENT
from instrument_registry.monitoring import prometheus
from instrument_registry.records import Publication
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows, old_project

_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
_AGED_DAYS = 212.5

FILES = {
    "clickhouse_setup/zerodha_token_lookup_consolidated.json": b'{"256265": "NIFTY 50"}\n' * 800,
    "jsonl/zerodha_token_lookup_consolidated.json": b'{"256265": "NIFTY 50"}\n' * 800,
    "intraday_trading/session_tokens_metadata.json": b'{"tokens": [256265]}\n' * 99,
    "intraday_trading/indices_tokens_final.json": b'{"indices": [256265, 260105]}\n',
    "shared_core/instrument_token/token_lookup_enriched.json": b'{"256265": {}}\n',
    "scanner/main.py": b"""\
from shared_core.instrument_token.registry_helper import (
    get_scanner_registry,
    resolve_symbol_with_monitoring,
)

registry = get_scanner_registry()
found = resolve_symbol_with_monitoring(registry, "NIFTY2681824000CE", "zerodha", "scanner")
print(found["symboltoken"], found["lot_size"])
""",
    "alerts/build.py": b"""\
import json

INDICES = json.load(open("intraday_trading/indices_tokens_final.json"))
""",
}


class Shell:
    """One bash in which the page's commands run, one after the other, on the page's project."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.root = folder / "srv"
        old_project.write(self.root, FILES)
        for path in self.root.rglob("*"):
            aged = datetime.now(UTC).timestamp() - _AGED_DAYS * 86_400
            os.utime(path, (aged, aged))
        self.paths = {
            "/srv/trading": str(self.root),
            "/var/lib/trading/registry-stats": str(folder / "stats"),
        }
        at = datetime.now(UTC) - timedelta(hours=3.5)
        told = Publication(7, at, made_rows.DAY)
        contents = Contents.of(made_rows.market(), told, made_rows.FOCUS)
        snapshot.write(folder / "home/registry.snapshot", contents)
        self.run = ""
        self.exported: dict[str, str] = {
            "WAREHOUSE_HOME": str(folder / "home"), "PYTHONPATH": str(project), "LC_ALL": "C.UTF-8",
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip

    def printed(self, command: str) -> str:
        """What a command prints, with what differs from run to run as the page has it."""
        here = command
        for shown, real in self.paths.items():
            here = here.replace(shown, real)
        if match := re.fullmatch(r"export (\w+)=(\S+)", here):
            self.exported[match[1]] = match[2]
            return ""
        here = _RUN.sub(self.run, here) if self.run else here
        done = subprocess.run(
            ["bash", "-c", here], cwd=self.root, env=self.exported, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        if found := _RUN.search(done.stdout):
            self.run = found[0]
        text = done.stdout.replace(str(self.root), "/srv/trading")
        text = _RUN.sub("20261121-101500-5f3a", text)
        return re.sub(r"\d+\.\d{3} ms", "0.021 ms", text)


def filled(page: str, shell: Shell) -> str:
    """The page, with what its commands print now."""

    def block(match: re.Match[str]) -> str:
        commands = [line for line in match[1].splitlines() if line.startswith("$ ")]
        told = [f"{line}\n{shell.printed(line[2:])}" for line in commands]
        return f"```console\n{''.join(told)}```"

    return _BLOCK.sub(block, page)


def test_the_commands_of_the_page_print_what_it_says(project: Path, tmp_path: Path) -> None:
    page = (project / "docs" / "registry-migration.md").read_text()
    assert filled(page, Shell(tmp_path, project)) == page
    assert len(_BLOCK.findall(page)) >= 6


def test_the_examples_of_the_page_hold(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("REGISTRY_MAX_AGE_HOURS", "unlimited")
    contents = Contents.of(made_rows.market(), made_rows.PUBLICATION, made_rows.FOCUS)
    snapshot.write(tmp_path / "registry.snapshot", contents)
    ir.clear_registry_cache()
    page = project / "docs" / "registry-migration.md"
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    ir.clear_registry_cache()
    assert (result.failed, result.attempted) == (0, 4)


def test_the_manifest_of_the_page_is_one(project: Path) -> None:
    page = (project / "docs" / "registry-migration.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    own = manifest.parse(text.encode(), "page")
    assert own.deprecated_by("backup/tokens/2026-05/a.json")
    assert own.protected_by("backup/tokens/2026-05/a.json")


def test_the_metrics_of_the_page_are_those_that_there_are(project: Path) -> None:
    page = (project / "docs" / "registry-migration.md").read_text()
    table = page.partition("| metric |")[2]
    named = re.findall(r"`((?:instrument_registry)?_\w+)`", table.partition("\n\n")[0])
    there = re.findall(r"^# TYPE (\w+)", prometheus.exposition((), ()), re.MULTILINE)
    assert {one if one[0] == "i" else f"instrument_registry{one}" for one in named} == set(there)
