"""What was checked and mended, when, and what came of it: one row each in `ops.registry_checks`.

Without a database, or without the right to write there, this process's own records are all there
is; that is said, not raised. What could not be written is written with the next record that can.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from instrument_registry.errors import RegistryUnavailable
from instrument_registry.sources import postgres

CHECK: Final = "check"
SYNC: Final = "sync"
KEPT: Final = 1000
"""How many records a process keeps itself."""
STATEMENT_SECONDS = 10
_IN_STEP: Final = "in_step"
_COLUMNS: Final = (
    "kind, started_at, finished_at, publication_id, verdict, holders, error, host, pid"
)
_INSERT: Final = (
    f"insert into ops.registry_checks ({_COLUMNS}) "  # noqa: S608 - constants
    "values (%s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s)"
)
_RECENT: Final = (
    f"select {_COLUMNS} from ops.registry_checks "  # noqa: S608 - constants
    "order by started_at desc, check_id desc limit %s"
)
_GROUPS: Final = """
    select kind, verdict, count(*), sum(extract(epoch from finished_at - started_at))::float8,
        max(finished_at)
    from ops.registry_checks group by kind, verdict
"""
_log = logging.getLogger("instrument_registry")


@dataclass(frozen=True, slots=True)
class Record:
    """One check or sync.

    Attributes:
        kind: `check` or `sync`.
        started_at, finished_at: when.
        publication_id: what was compared with; None without a source.
        verdict: `in_step`, `trouble` or `no_source`; of a sync, what the check after it found.
        holders: counts, by holder.
        error: what was wrong, in words; None if nothing was.
        host, pid: whose record it is.
    """

    kind: str
    started_at: datetime
    finished_at: datetime
    publication_id: int | None
    verdict: str
    holders: Mapping[str, Mapping[str, Any]]
    error: str | None
    host: str
    pid: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()

    def facts(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "kind": self.kind,
            "timestamp": self.finished_at.isoformat(),
            "started_at": self.started_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "publication_id": self.publication_id,
            "verdict": self.verdict,
            "success": self.verdict == _IN_STEP,
            "holders": {name: dict(counts) for name, counts in self.holders.items()},
            "error": self.error,
            "host": self.host,
            "pid": self.pid,
        }


@dataclass(frozen=True, slots=True)
class Group:
    """All records of one kind and verdict."""

    kind: str
    verdict: str
    count: int
    seconds: float
    last_at: datetime


class History:
    """The records of this process, and of every other where a database keeps them.

    Args:
        database_url: says where the database is, each time; None if there is none.
    """

    def __init__(self, database_url: Callable[[], str | None]) -> None:
        self._database_url = database_url
        self._own: deque[Record] = deque(maxlen=KEPT)
        self._unwritten: deque[Record] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, record: Record) -> str:
        """Keep a record; why only this process keeps it, empty if the database does."""
        with self._lock:
            self._own.append(record)
            self._unwritten.append(record)
            try:
                self._write()
            except RegistryUnavailable as error:
                _log.warning("registry_history_not_kept reason=%s", error)
                return str(error)
        return ""

    def recent(self, limit: int) -> tuple[list[Record], str]:
        """The last records, the latest first; and why they are this process's only, if so."""
        try:
            with postgres.connected(self._url()) as connection:
                found = connection.execute(_RECENT, (limit,)).fetchall()
        except RegistryUnavailable as error:
            with self._lock:
                return sorted(self._own, key=_began, reverse=True)[:limit], str(error)
        return [_read(values) for values in found], ""

    def groups(self) -> tuple[list[Group], str]:
        """Records counted by kind and verdict; and why they are this process's only, if so."""
        try:
            with postgres.connected(self._url()) as connection:
                found = connection.execute(_GROUPS).fetchall()
        except RegistryUnavailable as error:
            with self._lock:
                return grouped(self._own), str(error)
        return [
            Group(kind, verdict, count, seconds, last_at.astimezone(UTC))
            for kind, verdict, count, seconds, last_at in found
        ], ""

    def _url(self) -> str:
        found = self._database_url()
        if found is None:
            raise RegistryUnavailable("there is no database: no history but this process's own")
        return found

    def _write(self) -> None:
        with postgres.connected(self._url()) as connection, connection.cursor() as cursor:
            # Nobody waits for the record: somebody who has locked the table does not stop a check.
            cursor.execute(f"set local statement_timeout = '{STATEMENT_SECONDS}s'")
            waiting = list(self._unwritten)
            cursor.executemany(
                _INSERT,
                [
                    (
                        one.kind, one.started_at, one.finished_at, one.publication_id, one.verdict,
                        json.dumps(one.holders), one.error, one.host, one.pid,
                    )
                    for one in waiting
                ],
            )  # fmt: skip
        self._unwritten.clear()


def _read(values: tuple[Any, ...]) -> Record:
    kind, started_at, finished_at, *others = values
    return Record(kind, started_at.astimezone(UTC), finished_at.astimezone(UTC), *others)


def _began(record: Record) -> datetime:
    return record.started_at


def grouped(records: Iterable[Record]) -> list[Group]:
    """Records counted by kind and verdict."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.kind, record.verdict), []).append(record)
    return [
        Group(
            kind, verdict, len(same), sum(one.seconds for one in same),
            max(one.finished_at for one in same),
        )
        for (kind, verdict), same in found.items()
    ]  # fmt: skip


def statistics(groups: Iterable[Group]) -> dict[str, Any]:
    """Total, successful, failed, average and last times: of all, of checks and of syncs.

    Successful is what ended in step. Times are seconds and ISO instants, None where there is none.
    """
    known = list(groups)
    return _counted(known) | {
        "checks": _counted([one for one in known if one.kind == CHECK]),
        "syncs": _counted([one for one in known if one.kind == SYNC]),
    }


def _counted(groups: list[Group]) -> dict[str, Any]:
    good = [one for one in groups if one.verdict == _IN_STEP]
    bad = [one for one in groups if one.verdict != _IN_STEP]
    total = sum(one.count for one in groups)
    return {
        "total": total,
        "successful": sum(one.count for one in good),
        "failed": sum(one.count for one in bad),
        "average_seconds": sum(one.seconds for one in groups) / total if total else None,
        "last_at": _last(groups),
        "last_successful_at": _last(good),
        "last_failed_at": _last(bad),
    }


def _last(groups: list[Group]) -> str | None:
    return max(one.last_at for one in groups).isoformat() if groups else None
