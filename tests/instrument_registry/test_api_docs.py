"""The reference of the registry's names: it builds without a warning, and leaves nothing out."""

from __future__ import annotations

import html
import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import instrument_registry as ir
from instrument_registry import symbols

OLDER = ("instrument_registry", "registry_config", "registry_factory", "registry_helper")
_FETCHED = re.compile(r'<(?:script|link|img)[^>]* (?:src|href)="http[^"]*"')
_SECTION = re.compile(r'<section id="(\w+)">(.*?)</section>', re.DOTALL)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    into = tmp_path_factory.mktemp("api")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(project / "docs" / "build_api.py"), str(into)],
        cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(project)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(into / "instrument_registry.html")
    return into


def page_of(module: ModuleType, pages: Path) -> str:
    return (pages / f"{module.__name__.replace('.', '/')}.html").read_text()


def words(text: str) -> str:
    """Letters and digits alone: marks are laid out differently on a page."""
    return re.sub(r"[\W_]+", "", html.unescape(re.sub(r"<[^>]+>", "", text)))


@pytest.mark.parametrize(
    "module",
    [ir, symbols, *(import_module(f"instrument_registry.{name}") for name in OLDER)],
    ids=lambda module: module.__name__,
)
def test_every_public_name_is_there_with_its_docstring(module: ModuleType, pages: Path) -> None:
    sections = dict(_SECTION.findall(page_of(module, pages)))
    for name in module.__all__:
        thing = getattr(module, name)
        assert name in sections, name
        if callable(thing):
            told = inspect.getdoc(thing)
            assert told, name
            section = words(sections[name])
            # A second name of a class is shown as what it is a name of.
            is_alias = inspect.isclass(thing) and thing.__name__ != name
            said = thing.__qualname__ if is_alias else told.partition("\n\n")[0]
            assert words(said) in section, name


def test_every_page_is_reached_from_the_first_and_needs_no_network(pages: Path) -> None:
    first = page_of(ir, pages)
    found = sorted(pages.rglob("*.html"))
    assert len(found) > 10
    for page in found:
        named = page.relative_to(pages)
        if page.name not in {"index.html", "instrument_registry.html"}:
            assert f'href="{named}"' in first, named
        for kind in ("src", "href"):
            fetched = re.findall(
                rf'<(?:script|link|img)[^>]* {kind}="(http[^"]*)"', page.read_text()
            )
            assert not fetched, named
