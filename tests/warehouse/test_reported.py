"""How a verb ends that fails: one paragraph, one document, one code."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import typer

from warehouse.errors import FailedRun, GateRed
from warehouse.reported import paragraph, reported

LOGGED = FailedRun(
    "r1", Path("/home/logs/r1.log"), "/home/reports/r1/summary.html", {"publication_id": 7}
)


def fail(
    error: BaseException,
    run: FailedRun | None = None,
    document: dict[str, object] | None = None,
    **options: Any,
) -> int:
    """The exit code of a verb that fails, perhaps after it has printed its document."""

    def verb() -> None:
        with reported(**options) as display:
            display.failed_run = run
            if document is not None:
                display.close(document, lambda _: pytest.fail("lines"))
            raise error

    with pytest.raises(typer.Exit) as left:
        verb()
    return left.value.exit_code


def raised(error: Exception) -> Exception:
    """An error with a place in the code, as a real one has."""
    try:
        raise error
    except type(error):
        return error


def test_a_red_gate_is_one_document_with_the_report_and_what_consumers_see(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fail(GateRed("The gate is\n red."), LOGGED, as_json=True) == 4
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "status": "failed",
        "exit_code": 4,
        "error": "The gate is red.",
        "run_id": "r1",
        "report": "/home/reports/r1/summary.html",
        "consumers_see": {"publication_id": 7},
    }
    assert said.err == "error: The gate is red.\n"


def test_without_json_standard_output_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(GateRed("red"), LOGGED, quiet=True) == 4
    assert capsys.readouterr().out == ""


def test_a_document_that_was_printed_is_not_followed_by_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document: dict[str, object] = {"status": "published", "exit_code": 5}
    fail(GateRed("pending"), document=document, as_json=True)
    assert json.loads(capsys.readouterr().out)["exit_code"] == 5


def test_an_interruption_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(KeyboardInterrupt(), as_json=True, facts={"is_safe": False}) == 130
    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], told["is_safe"], told["consumers_see"]) == (130, False, None)


@pytest.mark.parametrize("error", [KeyError("lots"), OSError(errno.ENOSPC, "No space", "/home/x")])
def test_a_log_is_named_only_where_there_is_one(error: Exception) -> None:
    error = raised(error)
    assert "/home/logs/r1.log" in paragraph(error, LOGGED)
    without = paragraph(error, FailedRun("r1", None, None, None))
    assert "/home" not in without.replace("/home/x", "")
    assert without == paragraph(error)
    for told in (without, paragraph(error, LOGGED)):
        assert "Consumers see the last publication that was completed" in told


def test_what_the_system_says_is_told_with_what_it_means() -> None:
    told = paragraph(OSError(errno.ENOSPC, "No space left on device", "/home/x"))
    assert told.startswith("OSError: [Errno 28] No space left on device: '/home/x'. Consumers see")
    assert "defect" not in told
