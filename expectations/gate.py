"""The gate, as the rest of the project uses it: a worker that audits, and a verdict.

Importing this module does not import Great Expectations; only the worker's process does.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from expectations.audit import AuditRequest, RuleResult, Severity, Status
from expectations.errors import AuditFailed, WorkerFailed
from expectations.thresholds import Thresholds
from expectations.verdict import DbtTestResult, Verdict, check_acceptances, decide

log = logging.getLogger(__name__)

START_SECONDS: Final = 120.0
AUDIT_SECONDS: Final = 300.0
DOCS_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 5.0
_LOG_TAIL_BYTES: Final = 4000


class GateWorker:
    """The audit's process, started early so that its import overlaps with other work.

    A context manager: leaving it ends the process. If this process dies, the worker sees its
    input end and exits by itself.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self._pending = b""
        self._is_ready = False
        self._is_writing_docs = False
        self.import_seconds = 0.0
        self.audit_seconds = 0.0

    @classmethod
    def start(cls, *, log_path: Path | None = None) -> GateWorker:
        """Starts the process and returns at once; it imports while the caller does other work.

        Args:
            log_path: where its standard error goes (appended); a temporary file if None.
        """
        # Open for as long as the worker is: close() closes it.
        log: IO[bytes] = (
            tempfile.TemporaryFile() if log_path is None else log_path.open("ab+")  # noqa: SIM115
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "expectations.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # So that the package is found whether it is installed or a checkout.
            cwd=Path(__file__).resolve().parents[1],
        )
        return cls(process, log)

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return self._process.pid

    def audit(
        self,
        request: AuditRequest,
        *,
        start_seconds: float = START_SECONDS,
        audit_seconds: float = AUDIT_SECONDS,
    ) -> tuple[RuleResult, ...]:
        """Audits a candidate; may be called again.

        It returns as soon as there are results; Data Docs are written meanwhile, and `finish`,
        the next audit and `close` wait for them.

        Raises:
            WorkerFailed: the process died, did not answer in time, or cannot be understood.
            AuditFailed: the audit could not begin: no connection, no candidate.
        """
        if not self._is_ready:
            ready = self._answer(start_seconds, "Great Expectations to be imported")
            self.import_seconds = float(ready.get("seconds", 0.0))
            self._is_ready = True
        self.finish()
        self._ask({"audit": request.as_json()})
        answer = self._answer(audit_seconds, "the audit's answer")
        if "error" in answer:
            raise AuditFailed(
                f"The audit could not be done: {answer['error']}",
                expected="a database that answers, with the candidate in it",
            )
        self.audit_seconds = float(answer["seconds"])
        self._is_writing_docs = request.report_dir is not None
        return tuple(RuleResult.from_json(result) for result in answer["results"])

    def finish(self) -> None:
        """Waits for the Data Docs of the last audit; that they fail is told in the log only.

        Raises:
            WorkerFailed: the process died, or did not answer in time.
        """
        if not self._is_writing_docs:
            return
        self._is_writing_docs = False
        outcome = self._answer(DOCS_SECONDS, "Data Docs to be written").get("data_docs")
        if isinstance(outcome, str):
            log.warning("data_docs=%s", outcome)

    def close(self) -> None:
        """Waits for the Data Docs, then ends the process; safe to call twice."""
        # A worker that is gone cannot finish: what it had to say was said by audit().
        with contextlib.suppress(WorkerFailed):
            self.finish()
        if self._process.stdin is not None and not self._process.stdin.closed:
            # It may be dead already, which is what closing is for.
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101  # a pipe, by construction
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise self._failed("is gone") from error

    def _answer(self, seconds: float, awaited: str) -> dict[str, Any]:
        """The next line of the worker, within some seconds."""
        line = self._line(
            time.monotonic() + seconds, f"did not answer in {seconds:g} s ({awaited})"
        )
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise self._failed(f"answered {line[:80]!r}") from error
        return answer

    def _line(self, deadline: float, too_late: str) -> bytes:
        assert self._process.stdout is not None  # noqa: S101  # a pipe, by construction
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                self._process.kill()
                raise self._failed(too_late)
            chunk = self._process.stdout.read1(1 << 16)  # type: ignore[attr-defined]
            if not chunk:
                raise self._failed("died")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _failed(self, what: str) -> WorkerFailed:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            ending = ""
        else:
            ending = f" (signal {-code})" if code < 0 else f" (exit {code})"
        return WorkerFailed(
            f"The audit's process {what}{ending}; it last said: {self._last_words() or 'nothing'}",
            expected="one line of JSON for each request",
            next_step="Nothing was published; consumers see what they saw. "
            "Run the command again; if it recurs, run `python -m expectations` alone.",
        )

    def _last_words(self) -> str:
        if self._log.closed:
            return ""
        size = self._log.seek(0, 2)
        self._log.seek(max(0, size - _LOG_TAIL_BYTES))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


__all__ = [
    "AuditRequest",
    "DbtTestResult",
    "GateWorker",
    "RuleResult",
    "Severity",
    "Status",
    "Thresholds",
    "Verdict",
    "check_acceptances",
    "decide",
]
