"""How far the migration is: what is said of flags, modules, sources, lookups and old readers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import instrument_registry as ir
from instrument_registry.cleanup.manifest import built_in
from instrument_registry.flags import ENVIRONMENT
from instrument_registry.migration import facts
from instrument_registry.migration.old_readers import in_environment, in_sources
from instrument_registry.migration.progress import State, progress_of
from instrument_registry.migration_status import main, migration_status
from instrument_registry.modules import MODULES, module_of, registry_type_for
from instrument_registry.monitoring import stats_files
from instrument_registry.monitoring.lookup_counts import LookupCounts
from instrument_registry.records import Publication, RegistryType
from instrument_registry.settings import read_settings
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows, old_project

NOW = datetime(2026, 8, 17, 6, 0, tzinfo=UTC)
FOCUS, WHOLE = RegistryType.INTRADAY_FOCUS, RegistryType.COMPREHENSIVE


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A process with a snapshot that was published a moment ago, and a folder for figures."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    monkeypatch.setenv("WAREHOUSE_HOME", str(home))
    monkeypatch.setenv("REGISTRY_STATS_DIR", str(home / "stats"))
    monkeypatch.setenv("ENV_FILE", str(home / "env"))
    publish(home, datetime.now(UTC))
    ir.clear_registry_cache()
    yield home
    ir.clear_registry_cache()


def publish(home: Path, at: datetime | None) -> None:
    told = Publication(7, at, made_rows.DAY)
    contents = Contents.of(made_rows.market(), told, made_rows.FOCUS)
    snapshot.write(home / "registry.snapshot", contents)


def left(home: Path, *modules: str, hits: int = 9, kind: RegistryType = FOCUS) -> None:
    """Figures that another process has left."""
    counts = [
        LookupCounts(
            one, kind.value, hits, 1, 0, 20_000, 4_000, (0,) * 12 + (hits + 1,) + (0,) * 51
        )
        for one in modules
    ]
    now = datetime.now(UTC)
    name = f"{'-'.join(modules)}.lookups.json"
    stats_files.write(home / "stats" / name, counts, now, now)


def states(document: dict[str, Any]) -> dict[str, str]:
    return {name: one["state"] for name, one in document["modules"].items()}


def test_flags_are_told_with_who_set_them(home: Path, monkeypatch) -> None:
    path = home / "flags.json"
    path.write_text(json.dumps({"feature_flags": {
        "enable_registry_caching": False, "use_intraday_focus_for_alerts": True,
    }}))  # fmt: skip
    monkeypatch.setenv("REGISTRY_CONFIG_FILE", str(path))
    monkeypatch.setenv("REGISTRY_USE_INTRADAY_FOCUS_ALERTS", "no")
    flags = migration_status()["flags"]
    assert flags["use_intraday_focus_for_alerts"] == {
        "value": False, "source": "environment", "where": "REGISTRY_USE_INTRADAY_FOCUS_ALERTS",
    }  # fmt: skip
    assert flags["enable_registry_caching"] == {
        "value": False, "source": "file", "where": str(path),
    }  # fmt: skip
    assert flags["use_comprehensive_for_orders"] == {
        "value": False, "source": "default", "where": "",
    }  # fmt: skip
    assert {name: one["value"] for name, one in flags.items()} == ir.get_registry_feature_flags()


def test_each_module_has_the_type_that_it_would_get(monkeypatch) -> None:
    monkeypatch.setenv("REGISTRY_USE_COMPREHENSIVE_FOR_ORDERS", "1")
    monkeypatch.setenv("REGISTRY_USE_INTRADAY_FOCUS_PATTERNS", "0")
    document = migration_status()
    assert {name: one["registry_type"] for name, one in document["modules"].items()} == {
        name: ir.get_registry_for_module(name).registry_type.value for name in MODULES
    }
    assert list(document["registries"]) == ["comprehensive", "intraday_focus"]


@pytest.mark.parametrize("name", ["Order_Scanner", "data_pipeline_scanner", "alert_pattern", "x"])
def test_a_name_belongs_to_the_module_whose_flag_it_follows(name: str) -> None:
    flags = ir.get_registry_feature_flags()
    assert all(flags[f"use_intraday_focus_for_{one}"] for one in ("scanner", "patterns", "alerts"))
    from instrument_registry.flags import FeatureFlags

    for off in ("scanner", "patterns", "alerts", "executor"):
        known = FeatureFlags(**{f"use_intraday_focus_for_{off}": False})
        module = module_of(name)
        expected = registry_type_for(module, known) if module else WHOLE
        assert registry_type_for(name, known) is expected


def test_where_it_is_read_right_now_is_told(home: Path, monkeypatch) -> None:
    reading = migration_status()["registries"]["intraday_focus"]
    assert reading["is_available"] is True
    assert (reading["source"], reading["publication"]) == ("snapshot", 7)
    assert reading["as_of_date"] == made_rows.DAY.isoformat()
    assert 0 <= reading["age_seconds"] < 600
    assert reading["rows"] == len(ir.get_registry(FOCUS))
    assert any("DATABASE_URL is not set" in one for one in reading["passed_over"])


@pytest.mark.parametrize(
    ("at", "told"),
    [(timedelta(days=6), "144.0 hours old; allowed are 120 hours"), (None, "of unknown age")],
)
def test_what_is_too_old_blocks_and_says_so(home: Path, at: timedelta | None, told: str) -> None:
    publish(home, None if at is None else datetime.now(UTC) - at)
    left(home, *MODULES)
    document = migration_status()
    reading = document["registries"]["intraday_focus"]
    assert reading["is_available"] is False
    assert told in reading["why_not"]
    assert reading["publication"] == 7
    assert set(states(document).values()) == {"blocked"}
    assert document["progress"] == {"moved": 0, "modules": 5, "percent": 0}
    assert document["next_step"].startswith("make a publication readable for every module")


def test_no_source_and_a_torn_one_block(home: Path) -> None:
    path = home / "registry.snapshot"
    path.write_bytes(path.read_bytes()[:-9])
    assert states(migration_status())["scanner"] == "blocked"
    path.unlink()
    reading = migration_status()["registries"]["intraday_focus"]
    assert "registry.snapshot cannot be read" in reading["why_not"]
    assert reading["publication"] is None


def test_modules_move_as_their_lookups_are_seen(home: Path) -> None:
    assert set(states(migration_status()).values()) == {"ready"}
    left(home, "intraday_scanner_v2")
    left(home, "order_manager", "Executor", "reports")
    document = migration_status()
    assert states(document) == {
        "scanner": "moved", "data_pipeline": "ready", "pattern_detector": "ready",
        "order_manager": "moved", "alert_builder": "ready",
    }  # fmt: skip
    assert document["progress"] == {"moved": 2, "modules": 5, "percent": 40}
    orders = document["modules"]["order_manager"]["lookups"]
    assert orders == {
        "total_lookups": 20, "hits": 18, "misses": 2, "slow_lookups": 0,
        "avg_lookup_time_ms": 0.002, "p99_lookup_time_at_most_ms": 0.004,
        "max_lookup_time_ms": 0.004,
    }  # fmt: skip
    assert document["lookups"]["processes"] == 2
    assert "data_pipeline, pattern_detector and alert_builder" in document["next_step"]


def test_lookups_of_this_process_count_once(home: Path) -> None:
    registry = ir.get_registry_for_module("alert_builder")
    for _ in range(3):
        ir.resolve_symbol_with_monitoring(registry, "NOSUCH", "zerodha", "alert_builder")
    ir.write_stats()
    document = migration_status()
    assert document["modules"]["alert_builder"]["lookups"]["total_lookups"] == 3
    assert document["lookups"]["processes"] == 0


def test_without_a_folder_for_figures_it_says_that_nobody_sees(monkeypatch) -> None:
    monkeypatch.delenv("REGISTRY_STATS_DIR")
    document = migration_status()
    assert document["lookups"]["stats_folder"] is None
    assert "set REGISTRY_STATS_DIR" in document["next_step"]


# --- old readers ---


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return old_project.make(tmp_path / "project")


def test_source_files_that_read_what_is_old_are_found(root: Path) -> None:
    old_project.write(root, {
        "scanner/main.py": b"import os\nfrom shared_core.instrument_token.x import y\n",
        "alerts/run.sh": b"python -m shared_core.instrument_token.migration_status\n",
        "tools/a.py": b"from shared_core import instrument_token\n",
        "conf/b.yml": b"file: intraday_trading/indices_tokens_final.json\n",
        "conf/c.yml": b"file: jsonl/zerodha_token_lookup_consolidated.json\n",
        "conf/active.yml": b"file: clickhouse_setup/zerodha_token_lookup_consolidated.json\n"
                           b"bare: zerodha_token_lookup_consolidated.json\n",
        "docs/d.md": b"indices_tokens_final.json\n",
        "shared_core/instrument_token/registry_helper.py": b"import shared_core.instrument_token\n",
        "new.py": b"from instrument_registry.registry_helper import get_registry_for_module\n",
    })  # fmt: skip
    found = in_sources(root, built_in())
    assert [(one.where, one.line, one.module) for one in found.readers] == [
        ("alerts/run.sh", 1, "alert_builder"), ("conf/b.yml", 1, None), ("conf/c.yml", 1, None),
        ("scanner/main.py", 2, "scanner"), ("tools/a.py", 1, None),
    ]  # fmt: skip
    assert found.old_files == len(old_project.DEPRECATED)


def test_a_module_that_reads_old_files_has_not_moved(home: Path, root: Path) -> None:
    left(home, *MODULES)
    old_project.write(root, {"scanner/main.py": b"import shared_core.instrument_token\n"})
    document = migration_status(root)
    assert states(document)["scanner"] == "reads old files"
    assert document["progress"]["percent"] == 80
    assert document["next_step"] == "change what still reads old files, scanner/main.py:1"
    old_project.write(
        root, {"scanner/main.py": b"", "x.py": b"import shared_core.instrument_token"}
    )
    document = migration_status(root)
    assert document["progress"]["percent"] == 100
    assert document["next_step"] == "change what still reads old files, x.py:1"


def test_the_steps_come_one_after_the_other_to_the_end(home: Path, root: Path) -> None:
    left(home, *MODULES)
    assert "--root" in migration_status()["next_step"]
    assert "cleanup_old_token_files" in migration_status(root)["next_step"]
    for path in old_project.DEPRECATED:
        (root / path).unlink()
    document = migration_status(root)
    assert document["next_step"] == "nothing; every module has moved, and no old file is left"
    assert document["old_files"] == 0


def test_variables_that_point_to_old_files_are_named_without_their_values(home: Path) -> None:
    env_file = home / "env"
    env_file.write_text(
        "# TOKENS=/x/indices_tokens_final.json\nINSTRUMENTS=1,2\n"
        "export ALERT_TOKENS='/secret/intraday_trading/session_tokens_metadata.json'\n"
        "LOOKUP=clickhouse_setup/zerodha_token_lookup_consolidated.json\n"
        "OTHER=jsonl/zerodha_token_lookup_consolidated.json\n"
        "TOKEN_LOOKUP_FILE=/x/token_lookup_enriched.json\n"
    )
    found = in_environment(
        {"SCANNER_FILE": "/secret/indices_tokens_final.json", "PATH": "/bin"}, env_file, built_in()
    )
    assert [(one.where, one.line, one.variable, one.module) for one in found] == [
        ("environment", 0, "SCANNER_FILE", "scanner"),
        (str(env_file), 3, "ALERT_TOKENS", "alert_builder"),
        (str(env_file), 5, "OTHER", None),
    ]
    assert "secret" not in repr(found)
    assert in_environment({}, home / "absent", built_in()) == ()


# --- the command ---


def test_the_page_says_all_of_it_in_words(home: Path, root: Path, capsys) -> None:
    left(home, "scanner", "reports")
    (home / "stats/bad.lookups.json").write_text("{}")
    old_project.write(root, {"alerts/a.py": b"import shared_core.instrument_token\n"})
    assert main(["--root", str(root)]) == 0
    page = capsys.readouterr().out
    for told in (
        "Migration to the registry: one of five modules moved (20 %)",
        "  use_comprehensive_for_orders       false  default",
        "  scanner           INTRADAY_FOCUS  moved                    10  90.0 %  0.002 ms",
        "  alert_builder     INTRADAY_FOCUS  reads old files           0",
        "  INTRADAY_FOCUS  snapshot, publication 7, as of 2026-08-17, less than an hour old,",
        "  of 1 process in the last 7 days, the last less than an hour ago",
        "  reports: 10  90.0 %  0.002 ms",
        "  not read: bad.lookups.json: it is no file of version 1",
        "Old files are read in 1 place\n  alerts/a.py:1: shared_core.instrument_token (alert",
        "Next: change what still reads old files, alerts/a.py:1",
    ):  # fmt: skip
        assert told in page


@pytest.mark.parametrize(
    ("variables", "arguments", "named"),
    [
        ({"REGISTRY_ENABLE_CACHING": "maybe"}, [], "REGISTRY_ENABLE_CACHING is 'maybe'"),
        ({"REGISTRY_MAX_AGE_HOURS": "soon"}, [], "REGISTRY_MAX_AGE_HOURS is 'soon'"),
        ({"REGISTRY_SLOW_LOOKUP_MS": "0"}, [], "REGISTRY_SLOW_LOOKUP_MS is '0'"),
        ({"REGISTRY_STATS_DIR": "/dev/null"}, [], "REGISTRY_STATS_DIR /dev/null cannot be read"),
        ({}, ["--rot", "x"], "unrecognized arguments"),
        ({}, ["--root", "/"], "/ is refused"),
    ],
)
def test_a_wrong_setting_or_command_is_two(home, project, variables, arguments, named) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "instrument_registry.migration_status", *arguments],
        env={**os.environ, **variables}, cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_at_all_is_a_status_too(tmp_path: Path, project: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(project)}
    command = [sys.executable, "-m", "instrument_registry.migration_status"]
    for more in ([], ["--json"]):
        done = subprocess.run(
            [*command, *more], env=environment, cwd=tmp_path, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert "make a publication readable for every module" in done.stdout
    assert json.loads(done.stdout)["progress"]["percent"] == 0
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]  # the fixture's


def test_a_reading_that_fails_blocks_only_the_modules_that_need_it(monkeypatch) -> None:
    monkeypatch.setenv("REGISTRY_USE_COMPREHENSIVE_FOR_ORDERS", "1")
    known = facts.gather(read_settings(), datetime.now(UTC))
    broken = replace(known.readings[FOCUS], why_not="Redis holds no focus set")
    progress = progress_of(replace(known, readings={**known.readings, FOCUS: broken}))
    assert {one.module: one.state for one in progress.modules} == {
        **dict.fromkeys(MODULES, State.BLOCKED), "order_manager": State.READY,
    }  # fmt: skip
    assert "scanner, data_pipeline, pattern_detector and alert_builder" in progress.next_step
