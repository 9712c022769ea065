"""The audit's own process: `python -m expectations.worker`.

It imports Great Expectations at once (about two seconds, while others fetch and build), then
serves requests until its standard input ends. One JSON object a line, both ways:

    out  {"ready": true, "seconds": 2.1}
    in   {"audit": {...AuditRequest.as_json()...}}
    out  {"results": [{...RuleResult.as_json()...}, ...], "seconds": 1.1}
    out  {"data_docs": 0.3}                  seconds, or why they could not be written
    out  {"error": "why the audit could not be done"}, and the worker serves on

Data Docs come after the answer (and only where a report folder is given), so that publishing need
not wait for them.

Standard output belongs to the protocol; what libraries print goes to standard error. When
standard input ends, or the parent is gone, the process exits at once, in the middle of an audit
if need be: an audit only reads.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import queue
import select
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any

from expectations.audit import AuditRequest
from expectations.errors import GateError
from expectations.lazy_imports import leave_out_unneeded, postpone

if TYPE_CHECKING:
    from collections.abc import Callable

    from expectations.session import Audited

log = logging.getLogger("expectations.worker")

# How often a worker looks whether its parent is gone although its input has not ended (another
# child of the parent may hold the pipe open).
PARENT_CHECK_SECONDS = 1.0


def main() -> None:
    """Serves requests until standard input ends."""
    answers = _guard_stdout()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    started = time.perf_counter()
    run_audit = _import_session()
    _answer(answers, {"ready": True, "seconds": time.perf_counter() - started})
    while True:
        _serve(requests.get(), run_audit, answers)


def _import_session() -> Callable[[AuditRequest], Audited]:
    """Imports Great Expectations in half of its usual time."""
    postpone()
    leave_out_unneeded()
    # An import leaves no garbage, and looking for it in a growing heap is a fifth of the time.
    gc.disable()
    from expectations.session import run_audit  # noqa: PLC0415  # takes seconds; ready comes after

    gc.freeze()
    gc.enable()
    return run_audit


def _guard_stdout() -> IO[str]:
    """Keeps the real standard output for answers; prints of libraries go to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _read_requests(requests: queue.Queue[bytes]) -> None:
    """Hands each line on; ends the process when there can be no more."""
    parent = os.getppid()
    pending = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], PARENT_CHECK_SECONDS)[0]:
            continue
        chunk = os.read(0, 1 << 16)
        if not chunk:
            break
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            requests.put(line)
    os._exit(0)


def _serve(line: bytes, run_audit: Callable[[AuditRequest], Audited], answers: IO[str]) -> None:
    started = time.perf_counter()
    try:
        request = AuditRequest.from_json(json.loads(line)["audit"])
        audited = run_audit(request)
    except GateError as error:
        log.warning("the audit could not be done: %s", error.seen)
        _answer(answers, {"error": error.seen})
        return
    except Exception as error:
        log.exception("the audit could not be done")
        _answer(answers, {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"})
        return
    seconds = time.perf_counter() - started
    log.info("audit run_id=%s rules=%d seconds=%.2f", request.run_id, len(audited.results), seconds)
    results = [result.as_json() for result in audited.results]
    _answer(answers, {"results": results, "seconds": seconds})
    if request.report_dir is not None:
        _answer(answers, {"data_docs": _write_data_docs(audited)})


def _write_data_docs(audited: Audited) -> float | str:
    started = time.perf_counter()
    try:
        if audited.write_data_docs is not None:
            audited.write_data_docs()
    except Exception as error:
        log.exception("Data Docs could not be written")
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return time.perf_counter() - started


def _answer(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, default=str) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
