"""What can go wrong in a run, and the exit code that says so.

    WarehouseError                exit 1
    ├── UsageError                exit 2   a wrong option, setting or right; nothing was started
    ├── ServiceUnavailable        exit 3   PostgreSQL, Redis or the disk; try again
    ├── BuildFailed               exit 4   dbt could not build the candidate
    ├── GateRed                   exit 4   the audit refused the candidate
    ├── DestinationsPending       exit 5   published, but a destination is still to be written
    └── AnotherSyncRunning        exit 6

Errors of `loader`, `expectations` and `exporters` keep their own classes; `exit_codes` maps
them. Every message says what was seen, what consumers see now, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class WarehouseError(Exception):
    """The base of all errors of a run.

    Args:
        message: one paragraph for the person at the terminal.
        exit_code: overrides the class's own.
    """

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(WarehouseError):
    """An option or a setting is wrong: nothing was started."""

    exit_code = 2


class ServiceUnavailable(WarehouseError):
    """PostgreSQL, Redis or the disk does not do its part; trying again may help."""

    exit_code = 3


class BuildFailed(WarehouseError):
    """Dbt could not build the candidate: nothing was published."""

    exit_code = 4


class GateRed(WarehouseError):
    """The audit refused the candidate: nothing was published."""

    exit_code = 4


class DestinationsPending(WarehouseError):
    """The publication is complete in PostgreSQL; a destination is still to be written."""

    exit_code = 5


class AnotherSyncRunning(WarehouseError):
    """Another process holds the run lock."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that is in the ledger and ended with an error.

    Attributes:
        run_id: of `ops.sync_runs`.
        log: its log, where there is one.
        report: the audit's page, where it got so far.
        consumers_see: the last publication, as plain values; None before the first, or when
            PostgreSQL does not answer.
    """

    run_id: str
    log: Path | None
    report: str | None
    consumers_see: Mapping[str, Any] | None
