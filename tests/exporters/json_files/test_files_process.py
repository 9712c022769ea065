"""Files exported by the process beside: the same bytes, the same words, and what if it dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from exporters.destination import export
from exporters.files import FileExport, FileWorker, file_destination
from tests.exporters.json_files.conftest import Published

TOKENS = range(1, 4001)


@pytest.fixture
def worker() -> Iterator[FileWorker]:
    with closing(FileWorker.start()) as started:
        yield started


def asked(published: Published, name: str = "token_lookup") -> FileExport:
    return FileExport(name, published.folder / f"{name}.json", published.dsn)


@pytest.mark.parametrize("name", ["token_lookup", "focus_instruments"])
def test_it_writes_and_tells_what_an_export_here_would(
    published: Published, worker: FileWorker, name: str
) -> None:
    published.publish(*TOKENS)
    here = published.folder / "here.json"
    outcome = export(file_destination(name, here, published.connection, "marts"))

    done = worker.export(asked(published, name))

    path = published.folder / f"{name}.json"
    assert done is not None
    assert done.outcome is not None
    assert path.read_bytes() == here.read_bytes()
    assert (done.outcome.status, done.outcome.destination) == ("complete", name)
    assert done.outcome.plan.added == outcome.plan.added
    assert done.outcome.plan.samples == outcome.plan.samples
    assert str(path) in done.outcome.plan.note
    assert done.digest == file_destination(name, here, published.connection, "marts").digest


def test_it_serves_one_file_after_the_other(published: Published, worker: FileWorker) -> None:
    published.publish(*TOKENS)
    statuses = [
        done.outcome.status
        for name in ("token_lookup", "focus_instruments", "token_lookup")
        if (done := worker.export(asked(published, name))) and done.outcome
    ]
    assert statuses == ["complete", "complete", "unchanged"]


def test_a_refusal_is_told_as_it_is_here(published: Published, worker: FileWorker) -> None:
    done = worker.export(asked(published))
    assert done is not None
    assert done.outcome is None
    assert "Nothing has been published in this database" in done.refused


def test_a_process_that_died_has_no_answer(published: Published) -> None:
    published.publish(*TOKENS)
    with closing(FileWorker.start()) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.export(asked(published)) is None
        assert worker.export(asked(published)) is None


def test_a_server_that_is_gone_has_no_answer_and_no_secret(
    published: Published, worker: FileWorker, caplog: pytest.LogCaptureFixture
) -> None:
    gone = "postgresql://someone:s3cret@127.0.0.1:1/nowhere"
    assert worker.export(FileExport("token_lookup", published.folder / "x.json", gone)) is None
    assert "OperationalError" in caplog.text
    assert "s3cret" not in caplog.text


def test_it_ends_with_the_process_that_started_it(published: Published) -> None:
    published.publish(*TOKENS)
    command = [sys.executable, "-m", "exporters.files"]
    request = {"destination": "token_lookup", "database_url": published.dsn}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        path = Path(published.folder / "token_lookup.json")
        process.stdin.write(json.dumps({**request, "path": str(path)}).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["status"] == "complete"
        # A Ctrl-C is for the process that asked; its end is this one's.
        process.send_signal(signal.SIGINT)
        process.stdin.write(json.dumps({**request, "path": str(path)}).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["status"] == "unchanged"
        process.stdin.close()
        assert process.wait(20) == 0
