"""The destinations that are files, by name: made here, or exported by a process beside this one.

`python -m exporters.files` is that process. One JSON object a line, both ways:

    in   {"destination": "token_lookup", "path": "/...", "database_url": "postgresql://..."}
    out  {"status": "complete", "seconds": 1.1, "plan": {"added": 1, ...}, "digest": "..."}
    out  {"refused": "why the file stays as it is"}
    out  {"unknown": "what else went wrong"}

It ends when its input does, in the middle of an export if need be: a file is replaced whole, so
its readers have the old one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from exporters.canonical_yaml import CanonicalInstrumentsFile
from exporters.destination import Destination, Outcome, Plan, export
from exporters.document_file import DocumentFile
from exporters.errors import ExportError
from exporters.json_files import FocusInstrumentsFile, TokenLookupFile
from exporters.postgres import exported_digest, last_publication_id
from exporters.published import PUBLISHED_SCHEMA
from exporters.registry_snapshot import RegistrySnapshot

log = logging.getLogger(__name__)

KINDS: Mapping[str, type[DocumentFile | RegistrySnapshot]] = {
    kind.name: kind
    for kind in (RegistrySnapshot, TokenLookupFile, FocusInstrumentsFile, CanonicalInstrumentsFile)
}


@dataclass(frozen=True, slots=True)
class FileExport:
    """One export to a file.

    Attributes:
        destination: Its name, a key of `KINDS`.
        path: The file.
        database_url: Where the publication is.
    """

    destination: str
    path: Path
    database_url: str


@dataclass(frozen=True, slots=True)
class FileExported:
    """What came of it: an outcome, and the digest of what the file holds; or why it was refused."""

    outcome: Outcome | None
    digest: str | None = None
    refused: str = ""


def file_destination(
    name: str, path: Path, connection: psycopg.Connection[Any], schema: str
) -> Destination:
    """The destination of a name, on a connection with no transaction open."""
    kind = KINDS[name]
    if issubclass(kind, RegistrySnapshot):
        return kind(path, connection, schema=schema)
    verified = _verified_digest(connection, name, schema)
    return kind(path, connection, schema=schema, verified_digest=verified)


def _verified_digest(connection: psycopg.Connection[Any], name: str, schema: str) -> str | None:
    """What the file held after the last export, if that was of what is exported now."""
    publication_id = last_publication_id(connection)
    digest = (
        exported_digest(connection, publication_id, name)
        if publication_id is not None and schema == PUBLISHED_SCHEMA
        else None
    )
    connection.commit()
    return digest


class FileWorker:
    """The process beside this one, so that files do not take turns with the hashes of Redis.

    `close` ends it; if this process dies, that one sees its input end.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    def start(cls) -> FileWorker:
        """Starts the process and returns at once; it imports while the caller does other work."""
        return cls(
            subprocess.Popen(
                [sys.executable, "-m", "exporters.files"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # So that the package is found whether it is installed or a checkout.
                cwd=Path(__file__).resolve().parents[1],
            )
        )

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return self._process.pid

    def export(self, asked: FileExport) -> FileExported | None:
        """Have it exported; None when that process could not say what came of it.

        It is safe to export the same once more, here: a file is compared before it is written.
        """
        process = self._process
        assert process.stdin is not None  # noqa: S101  # pipes, by construction
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(_request(asked))
            process.stdin.flush()
            answer = json.loads(process.stdout.readline() or b"{}")
        except (OSError, ValueError) as error:
            log.warning("event=file_worker_lost error=%s", type(error).__name__)
            return None
        if "refused" in answer:
            return FileExported(None, refused=answer["refused"])
        if "plan" not in answer:
            log.warning("event=file_worker_failed error=%s", answer.get("unknown", "it died"))
            return None
        samples = {kind: tuple(lines) for kind, lines in answer["plan"]["samples"].items()}
        plan = Plan(**answer["plan"] | {"samples": samples})
        outcome = Outcome(asked.destination, answer["status"], plan, answer["seconds"])
        return FileExported(outcome, answer["digest"])

    def close(self) -> None:
        """Ends the process; safe to call twice."""
        for pipe in (self._process.stdin, self._process.stdout):
            # It may be dead already, which is what closing is for.
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()


def _request(asked: FileExport) -> bytes:
    message = {
        "destination": asked.destination,
        "path": str(asked.path.absolute()),
        "database_url": asked.database_url,
    }
    return json.dumps(message).encode() + b"\n"


def main() -> None:
    """Serve requests until standard input ends."""
    # Ctrl-C goes to both processes; the other one decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    while True:
        answer = _serve(json.loads(requests.get()))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _read_requests(requests: queue.Queue[bytes]) -> None:
    """Hands each line on; ends the process when there can be no more."""
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _serve(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        with psycopg.connect(request["database_url"]) as connection:
            name, path = request["destination"], Path(request["path"])
            destination = file_destination(name, path, connection, PUBLISHED_SCHEMA)
            outcome = export(destination)
            digest = getattr(destination, "digest", None)
    except ExportError as error:
        return {"refused": str(error)}
    except Exception as error:  # noqa: BLE001  # the process that asked does it again and tells
        return {"unknown": type(error).__name__}
    plan = outcome.plan
    told = {
        "added": plan.added,
        "changed": plan.changed,
        "removed": plan.removed,
        "samples": {kind: list(lines) for kind, lines in plan.samples.items()},
        "note": plan.note,
        "upkeep": plan.upkeep,
    }
    return {"status": outcome.status, "seconds": outcome.seconds, "plan": told, "digest": digest}


if __name__ == "__main__":
    main()
