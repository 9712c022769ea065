"""The audit's own process: `python -m expectations.worker`.

It imports Great Expectations at once (about two seconds, while others fetch and build), then
serves requests until its standard input ends. One JSON object a line, both ways:

    out  {"ready": true, "seconds": 2.1}
    in   {"audit": {...AuditRequest.as_json()...}}
    out  {"results": [{...RuleResult.as_json()...}, ...], "seconds": 1.6}
    out  {"error": "why the audit could not be done"}           (the worker serves on)

Standard output belongs to the protocol; what libraries print goes to standard error. When
standard input ends, or the parent is gone, the process exits at once, in the middle of an audit
if need be: an audit only reads.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import sys
import threading
import time
from typing import IO, Any

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
    from expectations.session import run_audit  # noqa: PLC0415  # takes seconds; ready comes after

    _answer(answers, {"ready": True, "seconds": time.perf_counter() - started})
    while True:
        _answer(answers, _serve(requests.get(), run_audit))


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


def _serve(line: bytes, run_audit: Any) -> dict[str, Any]:
    from expectations.audit import AuditRequest  # noqa: PLC0415  # after standard output is safe

    started = time.perf_counter()
    try:
        request = AuditRequest.from_json(json.loads(line)["audit"])
        results = run_audit(request)
    except Exception as error:
        log.exception("the audit could not be done")
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    seconds = time.perf_counter() - started
    log.info("audit run_id=%s rules=%d seconds=%.2f", request.run_id, len(results), seconds)
    return {"results": [result.as_json() for result in results], "seconds": seconds}


def _answer(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, default=str) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
