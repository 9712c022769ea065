from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from tests.terminal import run_in_terminal
from warehouse.display import JsonDisplay, PlainDisplay, TimedStages, choose_display


def test_plain_lines_tell_each_stage_twice_with_its_time() -> None:
    out = io.StringIO()
    stages = TimedStages(PlainDisplay(out))
    with stages.stage("land", "copying into staging") as stage:
        stage.advance(1, 2, "half")
        stage.done("125,581 rows")
    stages.display.warn("look")
    first, second, third = out.getvalue().splitlines()
    assert first.endswith("] land: copying into staging ...")
    assert "] land: 125,581 rows (" in second
    assert third.endswith("] WARNING look")
    assert list(stages.seconds) == ["land"]


def test_a_stage_that_fails_is_timed_too() -> None:
    stages = TimedStages(PlainDisplay(io.StringIO()))

    def fail() -> None:
        with stages.stage("build", "building"):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert "build" in stages.seconds


def test_a_reader_that_leaves_does_not_stop_the_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        display = PlainDisplay(out)
        for _ in range(3):
            display.note("nobody reads this")


def test_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    display = JsonDisplay()
    with display.stage("land", "x") as stage:
        stage.done("y")
    display.close({"status": "published", "path": Path("a/b")}, lambda _: pytest.fail("lines"))
    assert capsys.readouterr().out == '{\n  "status": "published",\n  "path": "a/b"\n}\n'


def test_the_display_follows_the_options_and_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    names = [
        type(choose_display(as_json=True, quiet=False)).__name__,
        type(choose_display(as_json=False, quiet=True)).__name__,
        type(choose_display(as_json=False, quiet=False)).__name__,
    ]
    assert names == ["JsonDisplay", "QuietDisplay", "PlainDisplay"]


def test_a_stage_that_fails_ends_with_a_line() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="broken"), PlainDisplay(out).stage("build", "building"):
        raise ValueError("broken")
    assert "] build: failed (" in out.getvalue().splitlines()[-1]


IN_A_TERMINAL = """
import sys, time
from warehouse.display import BYTES, choose_display
display = choose_display(as_json=False, quiet=False)
with display.stage("fetch", "getting the [kite] dump") as stage:
    stage.unit = BYTES
    stage.advance(3_200_000, 10_700_000, "downloading")
    display.progress.refresh()
    stage.done("10.7 MB from the broker")
with display.stage("fetch dhan", "getting the dhan dump") as stage:
    stage.unit = BYTES
    stage.advance(4_200_000, None, "downloading")
    display.progress.refresh()
with display.stage("build", "building") as stage:
    stage.advance(12, 1_068, "stg_kite__instruments")
    display.progress.refresh()
    stage.done("68 models")
display.note("963 were [kept]")
display.warn("withheld-none: withheld rows: 112")
display.close({}, lambda console: console.print("Published as 7"))
try:
    with display.stage("gate", "auditing"):
        raise ValueError("red")
except ValueError:
    sys.exit(4)
"""


def test_a_terminal_shows_every_stage_as_it_goes_on(project: Path, tmp_path: Path) -> None:
    code, drawn = run_in_terminal(
        [sys.executable, "-c", IN_A_TERMINAL], cwd=tmp_path,
        environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(project), "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert code == 4, drawn
    lines = [" ".join(line.split()) for line in drawn.splitlines()]

    def shown(*words: str) -> bool:
        return any(all(word in line for word in words) for line in lines)

    assert shown("fetch", "downloading", "3.2/10.7 MB")
    assert shown("fetch dhan", "downloading", "4.2 MB")
    assert shown("✓ fetch", "10.7 MB from the broker")
    assert shown("build", "stg_kite__instruments", "12/1,068")
    assert shown("✓ build", "68 models")
    assert "963 were [kept]" in lines
    assert "! withheld-none: withheld rows: 112" in lines
    assert "Published as 7" in lines
    assert shown("gate", "auditing: failed")
    assert not shown("✓ gate")
