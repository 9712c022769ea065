"""Run a command, and say how long it took and how much memory all its processes held."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.05
PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Measured:
    """Wall-clock seconds and the highest sum of memory over the process tree, in bytes.

    Memory is the proportional set size where the system tells it (Linux): pages that several
    processes share are counted once. Elsewhere it is the resident set size.
    """

    seconds: float
    peak_bytes: int
    output: str


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    watch_memory: bool = False,
) -> Measured:
    """Run `python ARGUMENTS` in a folder.

    Watching memory takes time from what is watched: a run is timed or watched, not both.

    Raises:
        RuntimeError: it did not end with 0; the message holds what it printed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = _Peak(process.pid)
    if watch_memory:
        peak.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    if watch_memory:
        peak.join()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}:\n{output}")
    return Measured(seconds, peak.bytes, output)


class _Peak(threading.Thread):
    """Samples the tree's memory until its root is gone."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root = psutil.Process(pid)
        self.bytes = 0

    def run(self) -> None:
        while True:
            try:
                family = [self.root, *self.root.children(recursive=True)]
            except psutil.Error:
                return
            self.bytes = max(self.bytes, sum(_memory(process) for process in family))
            if not self.root.is_running() or self.root.status() == psutil.STATUS_ZOMBIE:
                return
            time.sleep(SAMPLE_SECONDS)


def _memory(process: psutil.Process) -> int:
    # The embedded servers are not part of a sync; they are daemons with init as their parent.
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except psutil.Error:
        return 0
