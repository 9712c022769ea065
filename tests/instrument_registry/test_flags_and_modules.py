"""Which registry each module gets, by its name, and by defaults, file and environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import instrument_registry as ir
from instrument_registry.errors import FlagRefused, UnknownBroker
from instrument_registry.flags import ENVIRONMENT, NAMES
from instrument_registry.records import RegistryType
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows

DEFAULTS = {
    "use_intraday_focus_for_scanner": True,
    "use_intraday_focus_for_patterns": True,
    "use_intraday_focus_for_alerts": True,
    "use_intraday_focus_for_executor": True,
    "use_comprehensive_for_orders": False,
    "enable_performance_monitoring": True,
    "enable_registry_caching": True,
}
WHOLE, FOCUS = RegistryType.COMPREHENSIVE, RegistryType.INTRADAY_FOCUS


@pytest.fixture(autouse=True)
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A process that has a snapshot and nothing else; its flags may be saved in a file."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("REGISTRY_MAX_AGE_HOURS", "unlimited")
    monkeypatch.setenv("REGISTRY_CONFIG_FILE", str(tmp_path / "flags.json"))
    contents = Contents.of(made_rows.market(), made_rows.PUBLICATION, made_rows.FOCUS)
    snapshot.write(tmp_path / "registry.snapshot", contents)
    ir.clear_registry_cache()
    yield tmp_path / "flags.json"
    ir.clear_registry_cache()


def test_the_defaults_are_the_agreed_ones() -> None:
    assert ir.get_registry_feature_flags() == DEFAULTS
    assert set(ENVIRONMENT.values()) == set(NAMES) == set(DEFAULTS)


def test_environment_beats_file_beats_default(at: Path, monkeypatch) -> None:
    name = "use_intraday_focus_for_scanner"
    at.write_text(json.dumps({"feature_flags": {name: False}}))
    assert ir.get_registry_feature_flags() == DEFAULTS | {name: False}
    monkeypatch.setenv("REGISTRY_USE_INTRADAY_FOCUS_SCANNER", "yes")
    assert ir.get_registry_feature_flags()[name] is True
    monkeypatch.setenv("REGISTRY_USE_INTRADAY_FOCUS_SCANNER", "")
    assert ir.get_registry_feature_flags()[name] is False


@pytest.mark.parametrize("variable", ENVIRONMENT)
@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("1", True), ("YES", True), (" on ", True), ("false", False), ("0", False),
     ("No", False), ("off", False)],
)  # fmt: skip
def test_every_variable_sets_its_flag(monkeypatch, variable, text, value) -> None:
    monkeypatch.setenv(variable, text)
    assert ir.get_registry_feature_flags()[ENVIRONMENT[variable]] is value


@pytest.mark.parametrize(
    ("variable", "text"),
    [("REGISTRY_ENABLE_CACHING", "maybe"), ("REGISTRY_USE_INTRADAY_FOCUS_SCANER", "true")],
)
def test_what_the_environment_gets_wrong_is_named(monkeypatch, variable, text) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(FlagRefused, match=variable):
        ir.get_registry_feature_flags()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "flags.json cannot be read"),
        ("[]", "flags.json holds"),
        ('{"feature_flags": []}', "feature_flags in"),
        ('{"feature_flags": {"use_scanner": true}}', "'use_scanner'"),
        ('{"feature_flags": {"enable_registry_caching": "yes"}}', "enable_registry_caching"),
        ('{"feature_flags": {"enable_registry_caching": 1}}', "enable_registry_caching"),
    ],
)
def test_what_the_file_gets_wrong_is_named(at: Path, text: str, named: str) -> None:
    at.write_text(text)
    with pytest.raises(FlagRefused, match=named):
        ir.get_registry_feature_flags()
    with pytest.raises(FlagRefused):
        ir.set_feature_flag("enable_registry_caching", True)
    assert at.read_text() == text


def test_a_flag_is_saved_and_the_rest_of_the_file_kept(at: Path) -> None:
    at.write_text('{"owner": "me", "feature_flags": {"enable_registry_caching": false}}')
    at.chmod(0o640)
    ir.set_feature_flag("use_comprehensive_for_orders", True)
    assert json.loads(at.read_text()) == {
        "owner": "me",
        "feature_flags": {"enable_registry_caching": False, "use_comprehensive_for_orders": True},
    }
    assert at.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in at.parent.glob(".flags*")] == []
    assert ir.get_registry_feature_flags()["use_comprehensive_for_orders"] is True


def test_what_cannot_be_saved_is_said(at: Path, monkeypatch) -> None:
    with pytest.raises(FlagRefused, match="is no flag"):
        ir.set_feature_flag("use_everything", True)
    with pytest.raises(FlagRefused, match="True or False"):
        ir.set_feature_flag("enable_registry_caching", "no")  # type: ignore[arg-type]
    monkeypatch.setenv("REGISTRY_ENABLE_CACHING", "true")
    with pytest.raises(FlagRefused, match="it wins"):
        ir.set_feature_flag("enable_registry_caching", False)
    assert not at.exists()
    monkeypatch.delenv("REGISTRY_CONFIG_FILE")
    with pytest.raises(FlagRefused, match="names no file"):
        ir.set_feature_flag("use_comprehensive_for_orders", True)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("scanner", FOCUS), ("intraday_scanner_v2", FOCUS), ("data_pipeline", FOCUS),
        ("pattern_detector", FOCUS), ("Detector", FOCUS), ("alert_builder", FOCUS),
        ("order_manager", FOCUS), ("executor", FOCUS), ("reports", WHOLE), ("", WHOLE),
        ("data", WHOLE),
    ],
)  # fmt: skip
def test_module_names_match_by_part(module: str, expected: RegistryType) -> None:
    assert ir.get_registry_for_module(module).registry_type is expected


@pytest.mark.parametrize(
    ("flag", "modules"),
    [
        ("SCANNER", ["scanner", "data_pipeline"]), ("PATTERNS", ["pattern", "detector"]),
        ("ALERTS", ["alert", "builder"]), ("EXECUTOR", ["order", "executor"]),
    ],
)  # fmt: skip
def test_each_flag_turns_its_own_modules_only(monkeypatch, flag: str, modules) -> None:
    monkeypatch.setenv(f"REGISTRY_USE_INTRADAY_FOCUS_{flag}", "false")
    everybody = ["scanner", "data_pipeline", "pattern", "detector", "alert", "builder", "order",
                 "executor"]  # fmt: skip
    turned = [one for one in everybody if ir.get_registry_for_module(one).registry_type is WHOLE]
    assert sorted(turned) == sorted(modules)


def test_the_four_convenience_functions(monkeypatch) -> None:
    assert ir.get_scanner_registry() is ir.get_registry(FOCUS)
    for get in (ir.get_pattern_detector_registry, ir.get_alert_builder_registry,
                ir.get_order_manager_registry):  # fmt: skip
        assert get().registry_type is FOCUS
    monkeypatch.setenv("REGISTRY_USE_COMPREHENSIVE_FOR_ORDERS", "true")
    assert ir.get_order_manager_registry() is ir.get_registry(WHOLE)
    monkeypatch.setenv("REGISTRY_USE_INTRADAY_FOCUS_SCANNER", "false")
    assert ir.get_scanner_registry().registry_type is FOCUS
    assert ir.get_scanner_registry(force_intraday=False).registry_type is WHOLE


def test_a_type_can_be_forced() -> None:
    assert ir.get_registry_for_module("scanner", force_type=WHOLE).registry_type is WHOLE
    assert ir.get_registry_for_module("any", force_type="intraday_focus").registry_type is FOCUS


def test_without_caching_each_call_reads_anew(monkeypatch) -> None:
    assert ir.get_registry_for_module("x") is ir.get_registry_for_module("y")
    monkeypatch.setenv("REGISTRY_ENABLE_CACHING", "off")
    assert ir.get_registry_for_module("x") is not ir.get_registry_for_module("x")


def test_clearing_forgets_the_registries() -> None:
    before = ir.get_registry()
    assert ir.get_registry() is before
    ir.clear_registry_cache()
    assert ir.get_registry() is not before


# --- monitoring ---


def lookups(module: str, hits: int, misses: int, kind: RegistryType = WHOLE) -> None:
    registry = ir.get_registry(kind)
    symbol = registry.get_many_by_unified_id(made_rows.FOCUS)[0]
    assert symbol is not None
    for text, times in ((symbol.unified_id, hits), ("NOSUCH", misses)):
        for _ in range(times):
            found = ir.resolve_symbol_with_monitoring(registry, text, "zerodha", module)
            assert (found is None) == (text == "NOSUCH")


def test_lookups_are_counted_by_module_and_type() -> None:
    empty = ir.get_registry_stats()["performance_metrics"]
    assert (empty["total_lookups"], empty["avg_lookup_time_ms"], empty["hit_rate"]) == (
        0,
        0.0,
        None,
    )
    lookups("scanner", 5, 2)
    lookups("orders", 3, 0, FOCUS)
    stats = ir.get_registry_stats()
    assert stats["by_module"]["scanner"]["total_lookups"] == 7
    assert stats["by_module"]["scanner"]["misses"] == 2
    assert stats["by_registry_type"]["intraday_focus"]["hits"] == 3
    whole = stats["performance_metrics"]
    assert (whole["total_lookups"], whole["hits"], whole["hit_rate"]) == (10, 8, 0.8)
    times = [whole[f"{one}_lookup_time_ms"] for one in ("p50", "p95", "p99", "max")]
    assert 0 < times[0] <= times[1] <= times[2] <= times[3]
    assert 0 < whole["avg_lookup_time_ms"] <= times[3]
    assert stats["registries"]["comprehensive"]["publication"] == 7
    assert stats["registries"]["comprehensive"]["source"] == "snapshot"


def test_a_lookup_that_raises_is_a_miss() -> None:
    with pytest.raises(UnknownBroker):
        ir.resolve_symbol_with_monitoring(ir.get_registry(), "X", "nobody")
    assert ir.get_registry_stats()["by_module"]["unknown"]["misses"] == 1


def test_counting_can_be_switched_off_by_module_and_by_flag(monkeypatch) -> None:
    ir.get_registry_for_module("quiet", enable_monitoring=False)
    lookups("quiet", 1, 0)
    monkeypatch.setenv("REGISTRY_ENABLE_MONITORING", "0")
    lookups("other", 1, 0)
    ir.get_registry_for_module("loud", enable_monitoring=True)
    lookups("loud", 1, 0)
    assert list(ir.get_registry_stats()["by_module"]) == ["loud"]
    ir.get_registry_for_module("quiet", enable_monitoring=True)
    lookups("quiet", 1, 0)
    assert ir.get_registry_stats()["by_module"]["quiet"]["hits"] == 1


def test_percentiles_are_over_the_last_lookups_of_a_module() -> None:
    from instrument_registry.monitoring.counting import WINDOW, _metrics, _Record

    record = _Record()
    for took in range(1, 3 * WINDOW + 1):
        record.add(took * 1_000_000, hit=True)
    metrics = _metrics([record])
    assert metrics["max_lookup_time_ms"] == 3 * WINDOW
    assert metrics["p50_lookup_time_ms"] == 2 * WINDOW + WINDOW // 2
    assert metrics["p99_lookup_time_ms"] == 2 * WINDOW + -(-99 * WINDOW // 100)
