"""What is logged of slow lookups, what Prometheus reads, what a process leaves behind."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import instrument_registry as ir
from instrument_registry.errors import SettingRefused, UnknownBroker
from instrument_registry.flags import ENVIRONMENT
from instrument_registry.monitoring import prometheus, stats_files
from instrument_registry.monitoring.counting import _Record, lookup_counts, prometheus_text
from instrument_registry.monitoring.lookup_counts import BUCKETS, LookupCounts, summed
from instrument_registry.monitoring.process_stats import write_stats
from instrument_registry.records import RegistryType
from instrument_registry.settings import read_settings
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows

NOW = datetime(2026, 8, 17, 6, 0, tzinfo=UTC)
SYMBOL = "NIFTY26AUG24800CE"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in (*ENVIRONMENT, "REGISTRY_STATS_DIR", "REGISTRY_SLOW_LOOKUP_MS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("REGISTRY_MAX_AGE_HOURS", "unlimited")
    contents = Contents.of(made_rows.market(), made_rows.PUBLICATION, made_rows.FOCUS)
    snapshot.write(tmp_path / "registry.snapshot", contents)
    ir.clear_registry_cache()
    yield tmp_path
    ir.clear_registry_cache()


def look_up(symbol: str, module: str = "scanner", times: int = 1) -> None:
    registry = ir.get_registry()
    for _ in range(times):
        ir.resolve_symbol_with_monitoring(registry, symbol, "zerodha", module)


# --- slow lookups ---


def test_slow_lookups_are_logged_once_and_counted_all(monkeypatch, caplog) -> None:
    monkeypatch.setenv("REGISTRY_SLOW_LOOKUP_MS", "0.000001")
    look_up("NO\nSUCH", times=50)
    (line,) = caplog.messages
    assert re.fullmatch(
        r"slow_lookup symbol='NO\\nSUCH' broker='zerodha' module='scanner' "
        r"registry_type=comprehensive took_ms=\d+\.\d{3} limit_ms=1e-06 not_logged=0", line
    )  # fmt: skip
    assert caplog.records[0].levelno == logging.WARNING
    assert ir.get_registry_stats()["by_module"]["scanner"]["slow_lookups"] == 50
    look_up(SYMBOL, "orders")
    assert len(caplog.messages) == 2


def test_a_slow_lookup_that_raises_is_logged(monkeypatch, caplog) -> None:
    monkeypatch.setenv("REGISTRY_SLOW_LOOKUP_MS", "0.000001")
    with pytest.raises(UnknownBroker):
        ir.resolve_symbol_with_monitoring(ir.get_registry(), SYMBOL, "nobody", "scanner")
    assert "broker='nobody'" in caplog.messages[0]


def test_the_next_line_comes_ten_seconds_later_and_says_what_was_held_back(caplog) -> None:
    record = _Record(limit=10_000_000)
    key = ("scanner", RegistryType.INTRADAY_FOCUS)
    for second in (1, 2, 3.5, 10.9, 11, 12, 21.1):
        record.tell_slow(12_000_000, int(second * 1e9), key, SYMBOL, "zerodha")
    assert [message.split()[-1] for message in caplog.messages] == [
        "not_logged=0", "not_logged=3", "not_logged=1",
    ]  # fmt: skip
    assert record.slow == 7


@pytest.mark.parametrize("limit", ["off", "OFF ", "60000"])
def test_what_is_quick_enough_is_not_logged(monkeypatch, caplog, limit: str) -> None:
    monkeypatch.setenv("REGISTRY_SLOW_LOOKUP_MS", limit)
    look_up(SYMBOL, times=5)
    assert caplog.messages == []
    assert ir.get_registry_stats()["performance_metrics"]["slow_lookups"] == 0


def test_the_setting_is_ten_milliseconds_and_checked() -> None:
    assert read_settings({}).slow_lookup_ms == 10.0
    assert read_settings({"REGISTRY_SLOW_LOOKUP_MS": "2.5"}).slow_lookup_ms == 2.5
    for text in ("0", "-1", "nan", "inf", "soon"):
        with pytest.raises(SettingRefused, match=f"REGISTRY_SLOW_LOOKUP_MS is '{text}'"):
            read_settings({"REGISTRY_SLOW_LOOKUP_MS": text})


# --- Prometheus ---

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|\Z)')
_UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def parsed(text: str) -> tuple[dict[str, str], Samples]:
    """Read the text format as its documentation has it; types by family, samples by name."""
    assert text.endswith("\n")
    types: dict[str, str] = {}
    helped: set[str] = set()
    samples: Samples = defaultdict(dict)
    for line in text.removesuffix("\n").split("\n"):
        if match := re.fullmatch(rf"# HELP ({_NAME}) (.+)", line):
            assert match[1] not in helped
            helped.add(match[1])
        elif match := re.fullmatch(rf"# TYPE ({_NAME}) (counter|gauge|histogram)", line):
            assert match[1] in helped - types.keys()
            types[match[1]] = match[2]
            family = match[1]
        else:
            match = re.fullmatch(rf"({_NAME})\{{(.*)\}} (\S+)", line)
            assert match, line
            name, inside, value = match[1], match[2], float(match[3])
            suffixes = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
            assert name in {family + suffix for suffix in suffixes}
            found = list(_LABEL.finditer(inside))
            assert "".join(one[0] for one in found) == inside
            labels = tuple(
                (one[1], re.sub(r"\\.", lambda two: _UNESCAPED[two[0]], one[2])) for one in found
            )
            assert labels not in samples[name]
            samples[name][labels] = value
    return types, samples


def test_the_text_says_what_was_counted() -> None:
    look_up(SYMBOL, times=5)
    look_up("NOSUCH", times=2)
    look_up(SYMBOL, 'a "b"\\\n', times=1)
    types, samples = parsed(prometheus_text())
    of = (("module", "scanner"), ("registry_type", "comprehensive"))
    counted = samples["instrument_registry_lookups_total"]
    assert counted[(*of, ("result", "hit"))] == 5
    assert counted[(*of, ("result", "miss"))] == 2
    assert counted[("module", 'a "b"\\\n'), of[1], ("result", "hit")] == 1
    assert types["instrument_registry_lookups_total"] == "counter"
    assert samples["instrument_registry_lookup_duration_seconds_count"][of] == 7
    kind = (("registry_type", "comprehensive"),)
    assert samples["instrument_registry_publication_number"] == {kind: 7}
    assert samples["instrument_registry_rows"] == {kind: len(ir.get_registry())}
    assert samples["instrument_registry_source_info"] == {(*kind, ("source", "snapshot")): 1}
    assert set(types.values()) == {"counter", "gauge", "histogram"}
    assert ir.prometheus_text is prometheus_text


def test_the_age_is_that_of_the_as_of_day_in_india() -> None:
    seen = prometheus.Shown.of(ir.get_registry(), NOW)
    assert seen.as_of_age_seconds == 11.5 * 3600  # 06:00 UTC is 11:30 of that day


def test_before_anything_was_counted_there_are_families_without_samples() -> None:
    types, samples = parsed(prometheus_text())
    assert len(types) == 7
    assert samples == {}


COUNTS = st.builds(
    LookupCounts, st.text(), st.sampled_from(["comprehensive", "intraday_focus"]),
    *[st.integers(0, 2**50)] * 5,
    st.lists(st.integers(0, 2**40), min_size=BUCKETS, max_size=BUCKETS).map(tuple),
)  # fmt: skip
SHOWN = st.builds(
    # Prometheus reads every value as a 64-bit float: whole numbers are exact up to 2**53.
    prometheus.Shown, st.sampled_from(["comprehensive", "intraday_focus"]), st.integers(0, 2**53),
    st.text(), st.none() | st.integers(0, 2**53), st.none() | st.floats(allow_nan=False),
)  # fmt: skip


@given(
    st.lists(COUNTS, max_size=3, unique_by=lambda one: (one.module, one.registry_type)),
    st.lists(SHOWN, max_size=2, unique_by=lambda one: one.registry_type),
)
def test_any_figures_are_read_back(counts, shown) -> None:
    _, samples = parsed(prometheus.exposition(counts, shown))
    for one in counts:
        of = (("module", one.module), ("registry_type", one.registry_type))
        assert samples["instrument_registry_slow_lookups_total"][of] == one.slow
        duration = "instrument_registry_lookup_duration_seconds"
        buckets = {
            float(labels[2][1]): value
            for labels, value in samples[f"{duration}_bucket"].items()
            if labels[:2] == of
        }
        assert list(buckets) == sorted(buckets)
        assert list(buckets.values()) == sorted(buckets.values())
        assert buckets[math.inf] == samples[f"{duration}_count"][of] == sum(one.buckets)
        assert samples[f"{duration}_sum"][of] == one.nanoseconds / 1e9
    for registry in shown:
        kind = (("registry_type", registry.registry_type),)
        assert samples["instrument_registry_rows"][kind] == registry.rows


@given(st.integers(1, 2**40))
def test_a_lookup_is_in_the_bucket_that_its_time_fits(took: int) -> None:
    record = _Record()
    record.add(took, hit=True)
    number = record.buckets.index(1)
    assert number == 0 or 2 ** (number - 1) < took
    assert took <= 2**number
    counts = LookupCounts("x", "comprehensive", 1, 0, 0, took, took, tuple(record.buckets))
    assert counts.most(0.99) == took / 1e6


# --- what processes leave ---

CHILD = f"""
import sys
import instrument_registry as ir
for module, times in (("scanner", 3), ("orders", 2)):
    for _ in range(times):
        ir.resolve_symbol_with_monitoring(ir.get_registry(), {SYMBOL!r}, "zerodha", module)
ir.resolve_symbol_with_monitoring(ir.get_registry(), "NOSUCH", "zerodha", "scanner")
"""


def leave(project: Path, folder: Path, more: str = "") -> None:
    environment = {**os.environ, "REGISTRY_STATS_DIR": str(folder), "PYTHONPATH": str(project)}
    subprocess.run([sys.executable, "-c", CHILD + more], env=environment, check=True)


def test_processes_leave_what_they_counted_when_they_end(project: Path, home: Path) -> None:
    folder = home / "stats"
    for _ in range(2):
        leave(project, folder)
    files = sorted(folder.iterdir())
    assert len(files) == 2
    assert all(re.fullmatch(r"[\w.-]+-\d+-\d{8}T\d{12}\.lookups\.json", one.name) for one in files)
    found = stats_files.gather(folder, datetime.now(UTC))
    assert (found.processes, found.left_out, found.refused) == (2, 0, ())
    assert {(one.module, one.hits, one.misses) for one in found.counts} == {
        ("scanner", 6, 2), ("orders", 4, 0),
    }  # fmt: skip
    assert all(sum(one.buckets) == one.total for one in found.counts)


def test_a_child_of_a_fork_leaves_its_own_and_not_its_parents(project: Path, home: Path) -> None:
    leave(project, home / "stats", """
import os
if os.fork() == 0:
    ir.resolve_symbol_with_monitoring(ir.get_registry(), "NOSUCH", "zerodha", "child")
    sys.exit()
os.wait()
""")  # fmt: skip
    found = stats_files.gather(home / "stats", datetime.now(UTC))
    assert found.processes == 2
    assert {one.module: one.total for one in found.counts} == {
        "scanner": 4,
        "orders": 2,
        "child": 1,
    }


def test_a_process_that_counted_nothing_leaves_nothing(project: Path, home: Path) -> None:
    environment = {**os.environ, "REGISTRY_STATS_DIR": str(home / "s"), "PYTHONPATH": str(project)}
    code = "import instrument_registry as ir; ir.get_registry()"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not (home / "s").exists()


def test_a_folder_that_cannot_be_written_is_a_warning_at_the_end(project: Path, home: Path) -> None:
    (home / "file").write_text("")
    environment = {
        **os.environ, "REGISTRY_STATS_DIR": str(home / "file/stats"), "PYTHONPATH": str(project),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True
    )
    assert "stats_not_left" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_can_be_asked_for_at_any_time(home: Path, monkeypatch) -> None:
    with pytest.raises(SettingRefused, match="REGISTRY_STATS_DIR is not set"):
        write_stats()
    look_up(SYMBOL, times=3)
    assert write_stats(home / "mine.json") == home / "mine.json"
    assert json.loads((home / "mine.json").read_text())["lookups"][0]["hits"] == 3
    monkeypatch.setenv("REGISTRY_STATS_DIR", str(home / "stats"))
    first = ir.write_stats()
    look_up(SYMBOL)
    assert ir.write_stats() == first
    found = stats_files.gather(home / "stats", datetime.now(UTC))
    assert found.counts == lookup_counts()
    assert found.counts[0].hits == 4


def test_old_and_foreign_files_are_told_apart(home: Path) -> None:
    folder = home / "stats"
    counts = (LookupCounts("scanner", "comprehensive", 1, 1, 0, 9, 8, (0,) * 3 + (2,) + (0,) * 60),)
    for days, name in ((0, "a"), (8, "b"), (6, "c")):
        at = NOW - timedelta(days=days)
        stats_files.write(folder / f"{name}.lookups.json", counts, at, at)
    good = json.loads((folder / "a.lookups.json").read_text())
    for number, (name, value) in enumerate(
        [("version", 2), ("lookups", 3), ("lookups", [3]), ("lookups", [{}]), ("written_at", 1),
         ("written_at", "2026-08-17T00:00:00"), ("written_at", "soon"),
         ("lookups", [good["lookups"][0] | {"hits": -1}]),
         ("lookups", [good["lookups"][0] | {"hits": True}]),
         ("lookups", [good["lookups"][0] | {"buckets": [0] * 65}]),
         ("lookups", [good["lookups"][0] | {"buckets": ["1"]}])]
    ):  # fmt: skip
        (folder / f"x{number:02}.lookups.json").write_text(json.dumps(good | {name: value}))
    (folder / "y.lookups.json").write_text("{")
    (folder / "z.lookups.json").write_text("[]")
    (folder / "other.txt").write_text("no business of ours")
    found = stats_files.gather(folder, NOW)
    assert (found.processes, found.left_out, found.newest) == (2, 1, NOW)
    assert [name[:1] for name, _ in found.refused] == ["x"] * 11 + ["y", "z"]
    assert found.counts == summed(counts * 2)
    assert found.counts[0].hits == 2
    assert found.counts[0].longest == 8
    assert stats_files.gather(home / "absent", NOW) == stats_files.Gathered()


def test_files_older_than_a_month_are_removed_by_the_next_writer(home: Path) -> None:
    folder = home / "stats"
    stats_files.write(folder / "old.lookups.json", (), NOW, NOW)
    (folder / "mine.json").write_text("{}")
    for name in ("old.lookups.json", "mine.json"):
        os.utime(folder / name, (NOW.timestamp(), NOW.timestamp()))
    stats_files.write(folder / "a.lookups.json", (), NOW, NOW + timedelta(days=29))
    assert (folder / "old.lookups.json").exists()
    stats_files.write(folder / "a.lookups.json", (), NOW, NOW + timedelta(days=31))
    assert sorted(one.name for one in folder.iterdir()) == ["a.lookups.json", "mine.json"]


@given(st.lists(COUNTS, min_size=1, max_size=4))
def test_counts_survive_a_file_and_add_up(counts) -> None:
    again = [LookupCounts.of_document(json.loads(json.dumps(one.as_document()))) for one in counts]
    assert again == counts
    for field in ("hits", "misses", "slow", "nanoseconds"):
        assert sum(getattr(one, field) for one in summed(counts)) == sum(
            getattr(one, field) for one in counts
        )
    assert summed([replace(one, module="x", registry_type="y") for one in counts])[
        0
    ].longest == max(one.longest for one in counts)
