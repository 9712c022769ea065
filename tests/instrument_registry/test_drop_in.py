"""Code that was written for `shared_core.instrument_token` runs with its import prefix changed.

`cases/older_usage.md` has the blocks of the older overview as they stand there.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import instrument_registry as ir
from instrument_registry import registry_config, registry_factory, registry_helper
from instrument_registry.errors import FlagRefused, RegistryUnavailable
from instrument_registry.flags import ENVIRONMENT
from instrument_registry.records import BrokerRow
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows, old_project, published
from tests.instrument_registry.sync_market import Site, make_site

OLD, NEW = "shared_core.instrument_token", "instrument_registry"
USAGE = Path(__file__).parent / "cases" / "older_usage.md"
OVERVIEW = "background/instrument-registry-overview.md"
CALL = "NFO:NIFTY:2025-12-30:26450:CE"
_BLOCK = re.compile(r"```(python|bash)\n(.*?)```\n", re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    return [code for kind, code in _BLOCK.findall(text) if kind == language]


PYTHON = blocks(USAGE.read_text(), "python")
LOOKUPS = [code for code in PYTHON if "sync_monitor" not in code]
(MONITORING,) = (code for code in PYTHON if "sync_monitor" in code)
COMMANDS = [
    line
    for code in blocks(USAGE.read_text(), "bash")
    for line in code.splitlines()
    if line.startswith("python ")
]


def market() -> list[BrokerRow]:
    """The made-up market, and the contract of the overview's example."""
    call = made_rows.row("kite", CALL, "NIFTY25DEC26450CE", 1027)
    angel = made_rows.row("angel_one", CALL, "NIFTY30DEC2526450CE", 5)
    return [*made_rows.market(), call, angel]


@pytest.fixture(autouse=True)
def nothing_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in (*ENVIRONMENT, "REGISTRY_SNAPSHOT_FILE", "REGISTRY_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("REGISTRY_MAX_AGE_HOURS", "unlimited")
    ir.clear_registry_cache()
    yield
    ir.clear_registry_cache()


@pytest.fixture
def in_postgres(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    published.create(postgres_dsn)
    published.publish(postgres_dsn, market(), number=7, focus=[CALL, *made_rows.FOCUS])
    monkeypatch.setenv("DATABASE_URL", postgres_dsn)


@pytest.fixture
def in_a_snapshot(tmp_path: Path) -> None:
    told = ir.Publication(7, published.AT, made_rows.DAY)
    contents = Contents.of(market(), told, [CALL, *made_rows.FOCUS])
    snapshot.write(tmp_path / "registry.snapshot", contents)


@pytest.fixture(params=["postgresql", "snapshot"])
def source(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue("in_postgres" if request.param == "postgresql" else "in_a_snapshot")
    return str(request.param)


def run(code: str, known: dict[str, Any]) -> dict[str, Any]:
    """Run a block with the import prefix changed; `await` stands in no function there."""
    changed = code.replace(OLD, NEW)
    compiled = compile(changed, "overview", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = eval(compiled, known)
    if inspect.iscoroutine(waiting):
        asyncio.run(waiting)
    return known


def test_the_blocks_are_those_of_the_overview(project: Path) -> None:
    overview = project.parent / "shared" / OVERVIEW
    if not overview.exists():
        pytest.skip("the older overview is not beside this checkout")
    assert _BLOCK.findall(USAGE.read_text()) == _BLOCK.findall(overview.read_text())


def test_the_examples_of_the_overview_run_with_the_import_changed(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(LOOKUPS) == 2
    known: dict[str, Any] = {}
    for code in LOOKUPS:
        run(code, known)
    assert known["registry"].publication.source == source
    assert known["result"]["unified_id"] == CALL
    for name in ("scanner", "pattern", "order", "alert"):
        registry = known[f"{name}_registry"]
        assert registry is ir.get_registry(ir.RegistryType.INTRADAY_FOCUS)
    assert ir.get_registry_stats()["by_module"]["scanner"]["hits"] == 1
    assert not capsys.readouterr().err


@pytest.fixture
def site(postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A publication and everything that is exported of it, all in step."""
    site = make_site(tmp_path, postgres_dsn)
    monkeypatch.setenv("DATABASE_URL", postgres_dsn)
    return site


def test_the_monitoring_of_the_overview_runs_with_the_import_changed(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    run(MONITORING, {})
    assert capsys.readouterr().out == "Avg lookup time: 0.00ms\nSync needed: False\n"
    site.execute("delete from marts.focus_instruments where underlying = 'SENSEX'")
    run(MONITORING, {})
    assert capsys.readouterr().out.endswith("Sync needed: True\n")


def test_the_commands_of_the_overview_run_with_the_path_changed(site: Site, project: Path) -> None:
    """Modules by `-m`, files by their path; the clean-up has to be told the root by now."""
    root = old_project.make(site.folder / "project")
    assert len(COMMANDS) == 7
    for line in COMMANDS:
        said = line.replace(OLD, NEW).replace(OLD.replace(".", "/"), str(project / NEW))
        _, *arguments = shlex.split(said)
        if "cleanup" in line:
            arguments += ["--root", "."]
        before = old_project.content(root)
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=root, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(project)},
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert done.stdout, line
        if line.endswith(" --dry-run"):
            assert old_project.content(root) == before
    assert json.loads((root / "report.json").read_text())["status"]["sync_needed"] is False
    gone = {path for path in old_project.DEPRECATED if not (root / path).exists()}
    assert gone == set(old_project.DEPRECATED)
    assert all((root / path).exists() for path in old_project.PROTECTED)


@pytest.mark.parametrize("line", re.findall(r"^export (.*)$", USAGE.read_text(), re.MULTILINE))
def test_the_variables_of_the_overview_set_the_flags(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, value = line.partition("=")
    for text, wanted in ((value, True), ("false", False)):
        monkeypatch.setenv(name, text)
        flags = registry_config.get_registry_feature_flags()
        assert flags[ENVIRONMENT[name]] is wanted


# --- what other old programs import and ask ---------------------------------------------------


def test_a_service_is_the_registry(in_a_snapshot: None) -> None:
    from instrument_registry import instrument_registry as older

    service = older.get_enhanced_instrument_service(older.RegistryType.INTRADAY_FOCUS)
    assert service is registry_factory.get_intraday_focus_registry()
    assert service is ir.get_enhanced_instrument_service(ir.RegistryType.INTRADAY_FOCUS)
    assert isinstance(service, older.EnhancedInstrumentService)
    whole = ir.get_enhanced_instrument_service()
    assert whole is older.get_comprehensive_registry() is registry_factory.get_registry()
    assert whole.resolve_for_broker("RELIANCE", "ANGEL_ONE") == whole.resolve_for_broker(
        "RELIANCE", "angel_one"
    )
    for name in (*older.__all__, "nothing"):
        if name == "nothing":
            with pytest.raises(AttributeError):
                getattr(older, name)
        else:
            assert getattr(older, name).__doc__


def test_an_underlying_with_a_type_is_refused_and_its_candidates_are_named(
    in_a_snapshot: None,
) -> None:
    service = ir.get_enhanced_instrument_service()
    assert service.resolve_for_broker("NFO:NIFTY", "zerodha", "FUT") is None
    told = service.explain("NFO:NIFTY", "zerodha", "FUT")
    assert told.verdict == "ambiguous"
    assert [one.rpartition(" = ")[2] for one in told.candidates] == [
        "NFO:NIFTY:2026-08-25:FUT",
        "NFO:NIFTY:2026-09-29:FUT",
    ]
    assert "2 FUT contracts on NFO:NIFTY are listed" in told.reason
    (nearest, *_) = service.futures("NIFTY", "NFO", on=made_rows.DAY)
    assert nearest.unified_id in told.candidates[0]
    options = service.explain("nfo:nifty", "angel_one", "CE")
    assert options.verdict == "ambiguous"
    assert "2025-12-30:26450:CE" in options.candidates[0]
    # The one that is listed is no question.
    found = service.resolve_for_broker("CDS:USDINR", "zerodha", "FUT")
    assert found
    assert found["unified_id"] == "CDS:USDINR:2026-08-28:FUT"
    for symbol, kind in (("NFO:NIFTY", None), ("NFO:NIFTY", "EQ"), ("NFO:NIFT", "FUT")):
        assert service.explain(symbol, "zerodha", kind).verdict == "unknown"


def test_orders_are_placed_and_ticks_named_as_old_programs_do(in_a_snapshot: None) -> None:
    service = ir.get_enhanced_instrument_service()
    share = service.registry.get_by_unified_id("NSE:RELIANCE")
    assert share
    assert list(share.broker_instruments) == ["zerodha", "angel_one", "dhan", "upstox"]
    listed = share.get_broker_instrument("angel_one")
    assert listed
    assert (listed.broker_token, listed.tradingsymbol) == ("2885", "RELIANCE-EQ")
    assert (listed.expiry, listed.strike, listed.instrument_type) == (None, None, "EQ")
    assert share.get_broker_instrument("ANGEL_ONE", "NFO") is None
    assert (share.canonical_symbol, share.underlying, share.sector) == (
        "RELIANCE", None, "Unknown",
    )  # fmt: skip
    call = service.registry.get_by_broker_token("zerodha", "1027")
    assert call
    assert (call.unified_id, call.canonical_symbol, call.underlying, call.is_index) == (
        CALL, "NIFTY25DEC26450CE", "NIFTY", False,
    )  # fmt: skip
    option = service.registry.get_broker_instrument(CALL, "zerodha")
    assert option
    assert (option.expiry, Decimal(str(option.strike))) == ("2025-12-30", Decimal(26450))
    assert service.registry.get_by_broker_token("zerodha", 1) is None
    assert service.registry.get_broker_instrument("NSE:NOBODY", "zerodha") is None
    assert ir.get_unified_registry().stats == {
        "total_rows": len(service), "brokers": list(service.brokers), "publication": 7,
        "as_of_date": made_rows.DAY,
    }  # fmt: skip


def test_a_symbol_of_several_instruments_is_all_of_them(in_a_snapshot: None) -> None:
    registry = ir.get_unified_registry()
    for symbol, exchange, ids in (
        ("RELIANCE", None, ["NSE:RELIANCE"]),
        ("TWINS", None, ["NSE:TWINS", "BSE:TWINS"]),
        ("TWINS", "BSE", ["BSE:TWINS"]),
        ("NOBODY", None, []),
    ):
        found = registry.resolve_symbol(symbol, exchange)
        assert [one.unified_id for one in found] == ids


def test_flags_and_figures_have_their_older_names(in_a_snapshot: None) -> None:
    helper, config = registry_helper, registry_config
    assert dict(config.REGISTRY_FEATURE_FLAGS) == config.get_registry_feature_flags()
    # Set in memory it would be seen by nobody.
    with pytest.raises(TypeError):
        config.REGISTRY_FEATURE_FLAGS["enable_registry_caching"] = False  # type: ignore[index]
    with pytest.raises(FlagRefused, match="REGISTRY_CONFIG_FILE"):
        config.set_feature_flag("use_comprehensive_for_orders", True)
    kinds = [config.get_registry_type_for_module(name) for name in ("scanner", "reports")]
    assert kinds == [ir.RegistryType.INTRADAY_FOCUS, ir.RegistryType.COMPREHENSIVE]
    assert config.get_performance_metrics()["cache_hit_rate"] == 0
    registry = helper.get_registry_for_module("reports")
    for symbol in ("RELIANCE", "HCLTECH", "TWINS", "NOBODY"):
        helper.resolve_symbol_with_monitoring(registry, symbol, "zerodha", module_name="reports")
    stats = helper.get_registry_stats()
    metrics = stats["performance_metrics"]
    assert (metrics["lookup_count"], metrics["cache_hits"], metrics["cache_misses"]) == (4, 2, 2)
    assert f"{metrics['cache_hit_rate']:.0%} {metrics['avg_lookup_time_ms']:.0f}" == "50% 0"
    assert stats["cached_registries"] == [ir.RegistryType.COMPREHENSIVE]
    assert stats["cache_size"] == 1
    assert 0 < metrics["min_lookup_time_ms"] <= metrics["max_lookup_time_ms"]
    # Programs that look tokens up time them themselves.
    config.record_lookup_metrics(0.25, cache_hit=True)
    config.record_lookup_metrics(-1)
    timed = helper.get_registry_stats()["by_module"]["unknown"]
    assert (timed["hits"], timed["misses"], timed["max_lookup_time_ms"]) == (1, 1, 250)
    config.reset_performance_metrics()
    assert config.get_performance_metrics()["lookup_count"] == 0


def test_what_is_timed_elsewhere_is_counted_only_if_lookups_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGISTRY_ENABLE_MONITORING", "off")
    registry_config.record_lookup_metrics(0.001, cache_hit=True)
    assert registry_config.get_performance_metrics()["lookup_count"] == 0


def test_the_token_lookup_is_read_where_the_warehouse_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ir.get_token_lookup_path()
    assert path == tmp_path / "files" / "token_lookup_enriched.json"
    with pytest.raises(RegistryUnavailable, match="warehouse export"):
        ir.load_token_lookup()
    path.parent.mkdir()
    for text in ("{", "[1]"):
        path.write_text(text)
        with pytest.raises(RegistryUnavailable, match=r"token_lookup_enriched\.json"):
            ir.load_token_lookup()
    path.write_text('{"256265": {"tradingsymbol": "NIFTY 50"}}')
    assert ir.load_token_lookup()["256265"]["tradingsymbol"] == "NIFTY 50"
    monkeypatch.setenv("TOKEN_LOOKUP_FILE", str(tmp_path / "other.json"))
    assert ir.get_token_lookup_path() == tmp_path / "other.json"


def test_a_file_of_the_package_runs_by_its_path(tmp_path: Path, project: Path) -> None:
    # As `python shared_core/instrument_token/migration_status.py` was: its folder is then first on
    # the path, and holds a module that is called as the package is.
    code = (
        f"import sys; sys.path.insert(0, {str(project / NEW)!r})\n"
        "from instrument_registry.errors import RegistryError\n"
        "import instrument_registry\n"
        "assert instrument_registry.get_registry and instrument_registry.__path__\n"
        "print(RegistryError.__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    assert done.stdout.strip() == "instrument_registry.errors"
