"""The page on operating the registry: it shows what a terminal shows, and its names exist."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from instrument_registry import factory, registry_sync_monitor
from instrument_registry.sync import command
from instrument_registry.sync.check import HOLDERS
from tests.instrument_registry.sync_market import PROJECT, Site, make_site

PAGE = PROJECT / "docs" / "registry-operations.md"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    """Each command of the page, with what it shows."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            typed, _, shown = part.partition("\n")
            yield typed, shown


@pytest.fixture
def site(postgres_dsn: str, tmp_path: Path) -> Site:
    home = tmp_path / ".warehouse"
    home.mkdir()
    return make_site(home, postgres_dsn)


def test_each_command_of_the_page_shows_what_the_page_says(site: Site, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT),
        "DATABASE_URL": site.dsn, "REGISTRY_MAX_AGE_HOURS": "unlimited",
    }  # fmt: skip
    checker = doctest.OutputChecker()
    ran = 0
    for typed, wanted in commands():
        done = subprocess.run(
            ["sh", "-c", typed], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert checker.check_output(wanted, done.stdout, OPTIONS), (
            f"{typed}\n{done.stdout}\n{done.stderr}"
        )
        ran += 1
    assert ran == 5
    assert (tmp_path / "report.json").exists()


def test_the_python_of_the_page_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_sync_monitor, "_monitor", None)
    for name, value in site.settings().registry.environment.items():
        monkeypatch.setenv(name, value)
    factory.forget_registries()
    examples = doctest.DocTestParser().get_doctest(
        "\n".join(blocks("python")), {}, "operations", str(PAGE), 0
    )
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(examples)
    factory.forget_registries()
    assert result.failed == 0
    assert result.attempted >= 5


def test_the_query_of_the_page_tells_who_was_out_of_step(site: Site) -> None:
    site.execute("delete from marts.focus_instruments where underlying = 'SENSEX'")
    site.check()
    (query,) = blocks("sql")
    with psycopg.connect(site.dsn) as connection:
        found = connection.execute(query).fetchall()  # type: ignore[arg-type]  # from the page
    assert {row[2:] for row in found} == {
        ("published_table", "out_of_step", "86"), ("focus_registry", "out_of_step", "172"),
    }  # fmt: skip


def test_the_cron_line_is_five_fields_and_a_command_that_exists() -> None:
    (line,) = (one for one in PAGE.read_text().splitlines() if "* * 1-5" in one)
    fields, _, rest = line.partition("  ")
    assert len(fields.split()) == 5
    options = rest.split("registry_sync_monitor")[1].partition(">")[0].split()
    given = command._parser().parse_args(options)
    assert given.check is True


def test_the_page_names_every_holder_option_code_and_setting() -> None:
    page = PAGE.read_text()
    for name in HOLDERS:
        assert f"| `{name}` |" in page
    for code in (command.IN_STEP, command.TROUBLE, command.USAGE, command.NO_SOURCE):
        assert f"\n| {code} | " in page
    known = (PROJECT / "instrument_registry" / "sync" / "settings.py").read_text()
    known += (PROJECT / "instrument_registry" / "settings.py").read_text()
    named = set(re.findall(r"`((?:REGISTRY|DATABASE|FOCUS|TOKEN|WAREHOUSE)_[A-Z_]+)`", page))
    assert named
    assert {name for name in named if name not in known} == set()
    assert {name for name in re.findall(r"^(REGISTRY_\w+)", known, re.MULTILINE)
            if "SYNC" in name or "ALERT" in name or "FOCUS" in name} <= named  # fmt: skip
    options = set(re.findall(r"`(--[a-z-]+)", page))
    assert options <= set(re.findall(r"--[a-z-]+", command._parser().format_help()))


def test_the_rights_that_the_page_names_are_enough(site: Site) -> None:
    role = f"monitors_{abs(hash(site.dsn)) % 10**8}"
    site.execute(f"create role {role} login")
    try:
        site.execute(f"grant usage on schema marts, ops to {role}")
        site.execute(f"grant insert, select on ops.registry_checks to {role}")
        tables = "ops.publications, marts.broker_instruments, marts.focus_instruments"
        site.execute(f"grant select on {tables} to {role}")
        parts = psycopg.conninfo.conninfo_to_dict(site.dsn) | {"user": role}
        monitor = site.monitor(DATABASE_URL=psycopg.conninfo.make_conninfo("", **parts))
        assert monitor.check().verdict == "in_step"
        assert monitor.get_sync_statistics()["history"] == "kept"
    finally:
        site.execute(f"drop owned by {role}")
        site.execute(f"drop role {role}")
