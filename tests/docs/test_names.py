"""What the documentation names exists: make targets, verbs, settings, exit codes, files."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from loader.feeds import FEEDS
from tests.docs.pages import PROJECT, pages
from warehouse import exit_codes
from warehouse.settings import FeedSettings, Settings

PAGES = pages()
IDS = [str(page.relative_to(PROJECT)) for page in PAGES]
MAKEFILE = (PROJECT / "Makefile").read_text()
README = (PROJECT / "README.md").read_text()
EXAMPLE = (PROJECT / ".env.example").read_text()

# Upper-case names in the documentation that are no setting of ours.
FOREIGN = {
    "INSTRUMENTS", "WAREHOUSE_DBT_SCHEMA", "PYTHONDONTWRITEBYTECODE", "REDIS_HOST", "READONLY",
    "CRON_TZ", "PGOPTIONS", "WAREHOUSE_FEEDS",
}  # fmt: skip
_SETTING = re.compile(r"\b((?:DATABASE|REDIS|ENV|WAREHOUSE|TOKEN|FOCUS|KITE|FETCH|LANDING|ROLLBACK|"
                      r"REFERENCE|GATE)_[A-Z_]*[A-Z])\b")  # fmt: skip

OF_FEEDS = {f"{feed}_{name}".upper() for feed in FEEDS for name in FeedSettings.model_fields}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@cache
def help_of(*verb: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "warehouse", *verb, "--help"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
        env={"COLUMNS": "200", "PATH": "", "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    return done.stdout


def verbs() -> set[str]:
    commands = help_of().partition("Commands:")[2]
    return set(re.findall(r"^  ([a-z-]+)", commands, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named - targets() == set()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_verb_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"(?:`|bin/|\(|^)warehouse ([a-z]+)", text, re.MULTILINE))
    assert named - verbs() == set()


def test_the_readme_names_every_verb_and_every_target_for_people() -> None:
    shown = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert {name for name in shown if f"make {name}" not in README} == set()
    assert {name for name in verbs() if f"warehouse {name}" not in README} == set()


def test_every_option_that_the_readme_names_exists() -> None:
    known = {
        option
        for verb in verbs()
        for option in re.findall(r"--[a-z-]+", help_of(verb))
    }  # fmt: skip
    assert set(re.findall(r"`(--[a-z-]+)", README)) - known == set()


def test_every_make_variable_that_the_readme_names_exists() -> None:
    table = README.partition("| variable | option |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `([A-Z_]+)=", table, re.MULTILINE))
    assert named == set(re.findall(r"^([A-Z_]+)\s*\?=", MAKEFILE, re.MULTILINE))


def test_the_quick_start_is_two_commands_and_their_offline_twin() -> None:
    block = README.partition("## Quick start")[2].partition("```sh\n")[2].partition("```")[0]
    commands = [line for line in block.splitlines() if line and not line.startswith("#")]
    assert commands == [
        "make sync FILTER=nifty",
        "make test",
        "make sync FILTER=nifty SOURCE=sample",
    ]


def test_the_exit_codes_of_the_readme_are_those_of_the_code() -> None:
    table = README.partition("| code | meaning |")[2].partition("\n\n")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    codes = {
        value
        for name, value in vars(exit_codes).items()
        if name.isupper() and isinstance(value, int)
    }
    assert documented == codes


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    known = {name.upper() for name in Settings.model_fields} | OF_FEEDS
    named = set(_SETTING.findall(page.read_text()))
    assert named - known - FOREIGN - {n for n in named if n.startswith("WAREHOUSE_PG_")} == set()


def test_the_example_file_has_every_setting_with_its_default() -> None:
    named = re.findall(r"^# ([A-Z_]+)=(\S*)", EXAMPLE, re.MULTILINE)
    # tests/warehouse/test_settings.py holds those of the feeds.
    named = [(name, value) for name, value in named if name not in OF_FEEDS]
    assert {name.lower() for name, _ in named} == set(Settings.model_fields)
    for name, value in named:
        field = Settings.model_fields[name.lower()]
        if field.default_factory is not None or field.default is None:
            assert value == "", name
        elif isinstance(field.default, tuple):
            assert value == ",".join(field.default)
        elif isinstance(field.default, (int, float)):
            assert float(value) == float(field.default), name
        else:
            assert value == str(field.default)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_file_of_the_project_that_a_page_names_exists(page: Path) -> None:
    folders = "loader|dbt_project|expectations|exporters|warehouse|scripts|deploy|tests|benchmarks"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text()):
        if "profiles.yml" not in name:
            assert (PROJECT / name).exists(), name


def test_the_guide_translates_every_change_and_every_event() -> None:
    guide = (PROJECT / "docs" / "analyst-guide.md").read_text()
    table = guide.partition("| `change` | `event` |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    changes, events = (
        set(re.findall(r"`(\w+)`", " ".join(side))) for side in zip(*rows, strict=True)
    )
    marts = (PROJECT / "dbt_project" / "models" / "marts" / "_marts__models.yml").read_text()
    shape = (PROJECT / "exporters" / "postgres" / "history" / "shape.py").read_text()
    assert changes == _listed(r"change in \((.*?)\)", marts)
    alike = _listed(r"event in \((.*?)\)", shape) & changes
    assert events | alike == _listed(r"event in \((.*?)\)", shape)
    assert alike == {"listed", "delisted", "expired", "lot_changed", "tick_changed"}


def _listed(pattern: str, text: str) -> set[str]:
    found = re.search(pattern, text, re.DOTALL)
    assert found
    return set(re.findall(r"'(\w+)'", found[1]))
