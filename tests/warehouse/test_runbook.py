"""The runbook, as far as the code can tell that it is behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from warehouse import destinations, exit_codes


@pytest.fixture
def runbook(project: Path) -> str:
    return (project / "docs" / "runbook.md").read_text()


def test_every_exit_code_has_its_page(runbook: str) -> None:
    table = runbook.partition("| exit code | go to |")[2].partition("\n\n")[0]
    shown = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    codes = {
        value
        for name, value in vars(exit_codes).items()
        if name.isupper() and isinstance(value, int)
    }
    assert shown == codes - {exit_codes.OK}


def test_it_counts_the_destinations_that_there_are(runbook: str) -> None:
    told = re.findall(r"(\d+) of (\d+) destinations", runbook)
    assert told
    assert {int(of) for _, of in told} == {
        len(destinations.MAKERS) - len(destinations._OF_SEVERAL_FEEDS)
    }
