"""The page of the registry: its examples run, its names are the package's."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import instrument_registry as ir
from instrument_registry.flags import ENVIRONMENT
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows, published


def test_the_examples_of_the_page_hold(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("REGISTRY_MAX_AGE_HOURS", "unlimited")
    monkeypatch.setenv("AS_OF", made_rows.DAY.isoformat())
    told = ir.Publication(7, published.AT, made_rows.DAY)
    contents = Contents.of(made_rows.market(), told, made_rows.FOCUS)
    snapshot.write(tmp_path / "registry.snapshot", contents)
    ir.clear_registry_cache()
    page = project / "docs" / "registry.md"
    result = doctest.testfile(
        str(page), module_relative=False, encoding="utf-8", optionflags=doctest.ELLIPSIS
    )
    ir.clear_registry_cache()
    assert result.failed == 0
    assert result.attempted >= 20


def test_what_the_package_offers_is_there_and_on_the_page(project: Path) -> None:
    page = (project / "docs" / "registry.md").read_text()
    assert ir.__all__ == sorted(ir.__all__)
    assert set(ir.__all__) <= set(dir(ir))
    for name in ir.__all__:
        assert getattr(ir, name) is not None
    with pytest.raises(AttributeError, match="get_registri"):
        ir.get_registri  # noqa: B018
    for name in re.findall(r"`REGISTRY_[A-Z_]+`", page):
        told = name.strip("`")
        text = (project / "instrument_registry" / "settings.py").read_text()
        assert told in ENVIRONMENT or told in text
