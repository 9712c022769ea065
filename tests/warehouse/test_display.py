from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

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
