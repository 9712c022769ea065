"""Whether the focus set is the same wherever it is held; mends it, and keeps a history.

    python -m instrument_registry.registry_sync_monitor --check

    monitor = get_registry_sync_monitor()
    status = await monitor.check_sync_status()
    if status["sync_needed"]:
        await monitor.sync_and_monitor()

What blocks runs in a thread, so that an event loop goes on. See docs/registry-operations.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from instrument_registry import atomic_file, clock
from instrument_registry.errors import ReportNotWritten
from instrument_registry.sync.alerts import alert
from instrument_registry.sync.check import HOLDERS, Status, check, with_alert
from instrument_registry.sync.comparison import counts_by_holder
from instrument_registry.sync.history import CHECK, SYNC, History, Record, statistics
from instrument_registry.sync.settings import MonitorSettings, read_monitor_settings
from instrument_registry.sync.synchronizer import RegistrySynchronizer, SyncOutcome

__all__ = ["RegistrySyncMonitor", "RegistrySynchronizer", "get_registry_sync_monitor"]

SAMPLES: Final = 5
RECENT: Final = 50
REPORT_NAME: Final = "registry_sync_monitoring_report.json"


class RegistrySyncMonitor:
    """Compares every holder of the focus set with the last publication.

    Any number of threads, event loops and processes may check at once; of one monitor, one mends
    at a time.

    Args:
        settings: what the environment says if not given.
        holders: which are compared; all of them if not given.
        samples: how many differences of each kind are shown.
        synchronizer: what mends.
        now: the clock.

    Raises:
        ValueError: there is no such holder.
        SettingRefused: a setting that cannot be read.
    """

    def __init__(
        self,
        settings: MonitorSettings | None = None,
        *,
        holders: Sequence[str] | None = None,
        samples: int = SAMPLES,
        synchronizer: RegistrySynchronizer | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._settings = settings or read_monitor_settings()
        self._holders = tuple(HOLDERS) if holders is None else tuple(dict.fromkeys(holders))
        unknown = set(self._holders) - set(HOLDERS)
        if unknown or not self._holders:
            raise ValueError(
                f"holders are {', '.join(sorted(unknown)) or 'none'}; expected some of "
                f"{', '.join(HOLDERS)}"
            )
        self.samples = samples
        self.synchronizer = synchronizer or RegistrySynchronizer(self._settings)
        self._now = now
        self._history = History(self._settings.database_url)
        self._mending = threading.Lock()
        self._host = platform.node() or "unknown"
        self.last_sync_time: float | None = None
        """When this monitor last mended, in seconds since the epoch."""

    def check(self) -> Status:
        """Compare, tell of trouble, keep a record; it blocks."""
        status = self._alerted(check(self._settings, self._holders, self._now))
        self._keep(CHECK, status)
        return status

    async def check_sync_status(self) -> dict[str, Any]:
        """`check` in a thread.

        Returns:
            `sync_needed` (true unless every holder was read and holds just what was published),
            `verdict` (`in_step`, `trouble`, `no_source`), `timestamp`, `publication`, `focus`,
            `holders` (counts and samples of each), `problems`, `alert`, `last_sync_time`.
        """
        return self.facts(await asyncio.to_thread(self.check))

    def facts(self, status: Status) -> dict[str, Any]:
        """A status as plain values."""
        return status.facts(self.samples) | {"last_sync_time": self.last_sync_time}

    def synchronize(self) -> dict[str, Any]:
        """Check, mend if something is not in step, check again; it blocks.

        Returns:
            `success` (in step in the end), `before` and `after` as `check_sync_status`, `sync`:
            what the mending did, None if there was nothing to mend; `error`: what is wrong in the
            end, None if nothing is.
        """
        return self.synchronize_and_tell()[0]

    def synchronize_and_tell(self) -> tuple[dict[str, Any], Status]:
        """`synchronize`, and how things are in the end."""
        with self._mending:
            before = check(self._settings, self._holders, self._now)
            if not before.sync_needed:
                self._keep(CHECK, before)
                return self._mended(before, before, None), before
            outcome = self.synchronizer.synchronize()
            self.last_sync_time = self._now().timestamp()
            after = self._alerted(check(self._settings, self._holders, self._now))
            self._keep(SYNC, after, before.started_at, "" if outcome.is_done else outcome.told)
            return self._mended(before, after, outcome), after

    async def sync_and_monitor(self) -> dict[str, Any]:
        """`synchronize` in a thread."""
        return await asyncio.to_thread(self.synchronize)

    def get_sync_history(self, limit: int = 20) -> list[dict[str, Any]]:
        """The last checks and syncs, the latest first; of every process if the database has them.

        Each has `kind`, `timestamp`, `started_at`, `seconds`, `publication_id`, `verdict`,
        `success`, `holders`, `error`, `host`, `pid`.
        """
        return [record.facts() for record in self.recent(limit)[0]]

    def recent(self, limit: int) -> tuple[list[Record], str]:
        """The last records; and why they are this process's only, empty if they are not."""
        return self._history.recent(max(limit, 0))

    def get_sync_statistics(self) -> dict[str, Any]:
        """How many checks and syncs, how they ended, how long they took.

        `total`, `successful`, `failed`, `average_seconds`, `last_at`, `last_successful_at` and
        `last_failed_at` of all, and the same under `checks` and `syncs`. Under `history`: `kept`,
        or why it is this process's only.
        """
        groups, why = self._history.groups()
        counted = statistics(groups)
        syncs = counted["syncs"]
        return counted | {
            "history": why or "kept",
            "total_syncs": syncs["total"],
            "successful_syncs": syncs["successful"],
            "failed_syncs": syncs["failed"],
            "avg_sync_time_seconds": syncs["average_seconds"] or 0,
            "last_sync": syncs["last_at"],
        }

    def export_monitoring_report(
        self, output_path: Path | str | None = None, status: Status | None = None
    ) -> dict[str, Any]:
        """Write a report as JSON, in one piece, and return it.

        Args:
            output_path: the file; `registry_sync_monitoring_report.json` in WAREHOUSE_HOME if not
                given.
            status: a check that was made; a new one if not given.

        Raises:
            ReportNotWritten: the file cannot be written; the one that was there is as it was.
        """
        home = Path(self._settings.registry.environment.get("WAREHOUSE_HOME") or ".warehouse")
        path = Path(output_path) if output_path is not None else home.expanduser() / REPORT_NAME
        found = status or self.check()
        counted = self.get_sync_statistics()
        recent = self.get_sync_history(RECENT)
        report = {
            "generated_at": self._now().isoformat(),
            "status": self.facts(found),
            "statistics": counted,
            "recent_history": recent,
        }
        try:
            atomic_file.replace(path, json.dumps(report, indent=2).encode() + b"\n")
        except OSError as error:
            raise ReportNotWritten(
                f"{path} cannot be written: {error.strerror}; what was there is as it was"
            ) from error
        return report

    def _alerted(self, status: Status) -> Status:
        return with_alert(status, alert(status, self._settings, self._host))

    def _keep(
        self, kind: str, status: Status, started_at: datetime | None = None, error: str = ""
    ) -> None:
        told = "; ".join(filter(None, [error, *status.problems]))
        self._history.add(
            Record(
                kind, started_at or status.started_at, status.finished_at, status.publication_id,
                status.verdict.value, counts_by_holder(status.holders), told or None,
                self._host, os.getpid(),
            )
        )  # fmt: skip

    def _mended(self, before: Status, after: Status, outcome: SyncOutcome | None) -> dict[str, Any]:
        return {
            "success": not after.sync_needed,
            "timestamp": after.finished_at.isoformat(),
            "sync_time_seconds": (after.finished_at - before.started_at).total_seconds(),
            "before": self.facts(before),
            "sync": None if outcome is None else outcome.facts(),
            "after": self.facts(after),
            "error": "; ".join(after.problems) or None,
        }


_monitor: RegistrySyncMonitor | None = None
_lock = threading.Lock()


def get_registry_sync_monitor() -> RegistrySyncMonitor:
    """The monitor of this process, made of the environment when first asked for."""
    global _monitor  # noqa: PLW0603 - one a process, as older programs expect it
    with _lock:
        if _monitor is None:
            _monitor = RegistrySyncMonitor()
        return _monitor


if __name__ == "__main__":
    from instrument_registry.sync.command import main

    sys.exit(main())
