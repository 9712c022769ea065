"""The systemd units: what they try again is what the README and the exit codes say."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from warehouse import exit_codes

# What another try may mend, without a person.
PASSES = {
    exit_codes.DUMP_REFUSED, exit_codes.UNAVAILABLE, exit_codes.PENDING, exit_codes.ANOTHER_SYNC,
}  # fmt: skip


@pytest.fixture
def units(project: Path) -> Path:
    return project / "deploy" / "systemd"


@pytest.fixture
def service(units: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read(units / "instrument-warehouse.service")
    return parser


def test_what_passes_by_itself_is_tried_again_and_nothing_else(
    service: configparser.ConfigParser,
) -> None:
    codes = {
        value
        for name, value in vars(exit_codes).items()
        if name.isupper() and isinstance(value, int)
    }
    prevented = {int(code) for code in service["Service"]["RestartPreventExitStatus"].split()}
    assert prevented == codes - PASSES - {exit_codes.OK}
    assert service["Service"]["Restart"] == "on-failure"


def test_it_does_not_try_for_ever(service: configparser.ConfigParser) -> None:
    # In [Service], where systemd would ignore them, they did nothing.
    limits = service["Unit"]
    within = timedelta(hours=int(limits["StartLimitIntervalSec"].removesuffix("h")))
    tries = int(limits["StartLimitBurst"])
    assert tries * int(service["Service"]["RestartSec"]) < within.total_seconds()


def test_the_readme_says_the_same(project: Path, service: configparser.ConfigParser) -> None:
    readme = " ".join((project / "README.md").read_text().split())
    told = re.search(
        r"ended with ([\d, or]+) is tried again every two minutes, at most (\d+) times", readme
    )
    assert told
    assert {int(code) for code in re.findall(r"\d+", told[1])} == PASSES
    assert told[2] == service["Unit"]["StartLimitBurst"]
    assert service["Service"]["RestartSec"] == "120"


def test_systemd_understands_the_units(units: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not on this machine")
    for unit in units.iterdir():
        # What it must find on this machine: the program, the user, the folder.
        text = unit.read_text().replace("User=trading\n", "")
        text = re.sub(
            r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", text, flags=re.MULTILINE
        )
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *tmp_path.iterdir()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    (when,) = re.findall(
        r"^OnCalendar=(.*)$", (units / "instrument-warehouse.timer").read_text(), re.MULTILINE
    )
    assert when == "Mon..Fri *-*-* 08:40:00 Asia/Kolkata"
