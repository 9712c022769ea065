"""What processes counted, a JSON file a process, in the folder that REGISTRY_STATS_DIR names.

Each is written as a whole when its process ends, or asks for it. Files of the last days are summed
up; those older than a month are removed by whoever writes next.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from instrument_registry.atomic_file import replace
from instrument_registry.errors import SettingRefused, shown
from instrument_registry.monitoring.lookup_counts import LookupCounts, summed

VERSION: Final = 1
COUNTED_DAYS: Final = 7
_KEPT_DAYS: Final = 30
_SUFFIX: Final = ".lookups.json"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What several processes counted.

    Attributes:
        counts: summed up, one a module and registry type.
        processes: how many files they are of.
        left_out: how many files are older than `COUNTED_DAYS`.
        newest: when the last of them was written; None if there is none.
        refused: files that are none of ours, with the reason.
    """

    counts: tuple[LookupCounts, ...] = ()
    processes: int = 0
    left_out: int = 0
    newest: datetime | None = None
    refused: tuple[tuple[str, str], ...] = ()


def path_in(folder: Path, begun: datetime) -> Path:
    """This process's file."""
    host = re.sub(r"[^\w.-]", "_", socket.gethostname()) or "host"
    return folder / f"{host}-{os.getpid()}-{begun:%Y%m%dT%H%M%S%f}{_SUFFIX}"


def write(path: Path, counts: Sequence[LookupCounts], begun: datetime, now: datetime) -> None:
    """Write what a process counted; readers see the file before or this one.

    Raises:
        SettingRefused: it cannot be written.
    """
    document = {
        "version": VERSION,
        "program": Path(sys.argv[0]).name if sys.argv else "",
        "pid": os.getpid(),
        "begun_at": begun.isoformat(),
        "written_at": now.isoformat(),
        "lookups": [one.as_document() for one in counts],
    }
    try:
        replace(path, json.dumps(document, indent=1).encode() + b"\n")
    except OSError as error:
        raise SettingRefused(
            f"{path} cannot be written: {error.strerror}; what was counted stays in the process"
        ) from error
    for old in path.parent.glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            if now.timestamp() - old.lstat().st_mtime > _KEPT_DAYS * 86_400:
                old.unlink()


def gather(folder: Path, now: datetime, without: Path | None = None) -> Gathered:
    """Sum up the files of a folder, without one's own; none if it is not there yet.

    Raises:
        SettingRefused: the folder cannot be read.
    """
    try:
        found = [one for one in folder.iterdir() if one.name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return Gathered()
    except OSError as error:
        raise SettingRefused(
            f"REGISTRY_STATS_DIR {folder} cannot be read: {error.strerror}"
        ) from error
    paths = sorted(one for one in found if without is None or one.name != without.name)
    counts: list[LookupCounts] = []
    written: list[datetime] = []
    refused: list[tuple[str, str]] = []
    left_out = 0
    for path in paths:
        try:
            at, its = _read(path)
        except (OSError, ValueError) as error:
            refused.append((path.name, str(error)))
            continue
        if now - at > timedelta(days=COUNTED_DAYS):
            left_out += 1
            continue
        written.append(at)
        counts += its
    newest = max(written, default=None)
    return Gathered(summed(counts), len(written), left_out, newest, tuple(refused))


def _read(path: Path) -> tuple[datetime, list[LookupCounts]]:
    document: Any = json.loads(path.read_bytes())
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"it is no file of version {VERSION}")
    lookups, text = document.get("lookups"), document.get("written_at")
    if not isinstance(lookups, list) or not isinstance(text, str):
        raise ValueError("it lacks lookups or written_at")  # noqa: TRY004 - it is data
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"written_at is {shown(text)}, without a time zone")
    return at, [LookupCounts.of_document(one) for one in lookups]
