"""`warehouse status`: what consumers see, and whether it is safe to trade on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from exporters.postgres import pending_exports
from warehouse.clock import Clock
from warehouse.destinations import Export
from warehouse.exit_codes import GATE_RED, PENDING, UNAVAILABLE, USAGE
from warehouse.publications import LastPublication, last_publication
from warehouse.run_lock import is_dead

RUNS_SHOWN = 5
RED = "red"

Reason = tuple[int, str]
"""An exit code, and what speaks against trading."""


@dataclass(frozen=True, slots=True)
class Status:
    """What `status` says. `exit_code` is 0 when it is safe to trade on the publication.

    3: nothing is published, or it is older than the last trading day, of a day to come, or of
    the generated sample; 4: the last sync was stopped; 5: a destination is pending.

    Attributes:
        running: the sync that is running now, in words; empty when none is.
        replayed: that this is the answer of another day than today, in words; mostly empty.
    """

    publication: LastPublication | None
    age_seconds: float | None
    expected_as_of: date
    pending: tuple[str, ...]
    runs: tuple[dict[str, Any], ...]
    reasons: tuple[str, ...]
    exit_code: int
    running: str = ""
    replayed: str = ""

    @property
    def is_safe(self) -> bool:
        """Whether nothing speaks against trading on it."""
        return not self.reasons

    def facts(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        publication = self.publication
        return {
            "is_safe": self.is_safe,
            "exit_code": self.exit_code,
            "reasons": list(self.reasons),
            "running": self.running or None,
            "replayed": self.replayed or None,
            "publication_id": publication.publication_id if publication else None,
            "as_of_date": publication.as_of_date.isoformat() if publication else None,
            "expected_as_of_date": self.expected_as_of.isoformat(),
            "published_at": publication.published_at.isoformat() if publication else None,
            "age_seconds": self.age_seconds,
            "filter": publication.filter if publication else None,
            "source": publication.source if publication else None,
            "feeds": publication.told_feeds if publication else None,
            "summary": dict(publication.summary) if publication else None,
            "pending_destinations": list(self.pending),
            "runs": [dict(run) for run in self.runs],
        }


def read_status(
    connection: psycopg.Connection,
    clock: Clock,
    exports: Sequence[Export] = (),
    differences: Sequence[str] = (),
) -> Status:
    """Read the ledger; nothing is changed.

    Args:
        connection: an autocommit connection.
        clock: tells which publication is expected by now.
        exports: what an export would have to write now, from `destinations.plan_all`.
        differences: what the published tables hold otherwise, from `verify_published`.
    """
    publication = last_publication(connection)
    pending = tuple(export.destination for export in pending_exports(connection))
    runs = _last_runs(connection, RUNS_SHOWN)
    running = _told_running(runs)
    reasons = [
        *_about_publication(publication, clock),
        *_about_consumers(pending, exports, differences, running),
        *_about_last_sync(_last_syncs(connection)),
    ]
    return Status(
        publication=publication,
        age_seconds=_age(publication, clock.now()),
        expected_as_of=clock.expected_as_of_date(),
        pending=pending,
        runs=runs,
        reasons=tuple(text for _, text in reasons),
        exit_code=reasons[0][0] if reasons else 0,
        running=running,
        replayed=clock.replayed,
    )


def nothing_published(clock: Clock) -> Status:
    """The status of a database that has no ledger yet."""
    [(code, told)] = _about_publication(None, clock)
    return Status(None, None, clock.expected_as_of_date(), (), (), (told,), code)


def _age(publication: LastPublication | None, now: datetime) -> float | None:
    return (now - publication.published_at).total_seconds() if publication else None


def _about_publication(publication: LastPublication | None, clock: Clock) -> list[Reason]:
    """What the publication itself says against trading on it."""
    if publication is None:
        return [(UNAVAILABLE, "nothing has been published yet: run `warehouse sync`")]
    reasons: list[Reason] = []
    as_of, expected, today = (
        publication.as_of_date,
        clock.expected_as_of_date(),
        clock.as_of_date(),
    )
    if publication.is_sample:
        number = publication.publication_id
        told = f"publication {number} is of the generated sample: its tokens are made up"
        reasons.append((UNAVAILABLE, told))
    if as_of < expected:
        told = f"the publication is as of {as_of}, {expected} is expected"
        reasons.append((UNAVAILABLE, told))
    elif as_of > today:
        told = (
            f"the publication is as of {as_of}, a day to come (today is {today}): a clock was "
            f"wrong; `warehouse rollback` takes it back"
        )
        reasons.append((UNAVAILABLE, told))
    return reasons


def _about_consumers(
    pending: Sequence[str], exports: Sequence[Export], differences: Sequence[str], running: str
) -> list[Reason]:
    """Who shows something else than the publication."""
    # What a sync writes just now is no damage, and an export beside it would be refused.
    wait = f"{running}; look again when it has ended"
    export = wait if running else "run `warehouse export`"
    sync = wait if running else "run the last sync again"
    reasons = [(PENDING, f"pending: {', '.join(pending)}; {export}")] if pending else []
    reasons += [(PENDING, f"{told}; {sync}") for told in differences]
    reasons += [
        (PENDING, f"{done.destination} is not as published ({done.told.rstrip('.')}); {export}")
        for done in exports
        if done.differs and done.destination not in pending
    ]
    return reasons


def _about_last_sync(runs: Sequence[dict[str, Any]]) -> list[Reason]:
    """What the last sync says against trading; one that goes on has said nothing yet."""
    for run in runs:
        if _goes_on(run):
            continue
        told = str(run["error"] or "").rstrip(".")
        if run["exit_code"] == GATE_RED and run["verdict"] == RED:
            return [(GATE_RED, f"the last sync's gate was red; read {run['report_path']}")]
        if run["exit_code"] == GATE_RED:
            return [(GATE_RED, f"the last sync was stopped: {told}")]
        if run["status"] in {"died", "running"}:
            return [(UNAVAILABLE, f"the last sync died in stage {run['stage']}; run it again")]
        is_failed = run["status"] == "failed"
        return [(UNAVAILABLE, f"the last sync failed: {told}")] if is_failed else []
    return []


def _goes_on(run: Mapping[str, Any]) -> bool:
    return run["status"] == "running" and run["has_session"] and not is_dead(run)


def _told_running(runs: Sequence[dict[str, Any]]) -> str:
    """The run that goes on just now, in words; one at a time holds the lock."""
    for run in runs:
        if _goes_on(run):
            return (
                f"{run['command']} is running since {run['started_at']:%Y-%m-%d %H:%M:%S} UTC "
                f"(host {run['host']}, pid {run['pid']}, stage {run['stage']})"
            )
    return ""


_RUNS = """
select run_id, command, status, stage, filter, as_of_date, publication_id,
    exit_code, verdict, error, report_path, started_at, finished_at, host, pid,
    to_jsonb(runs) ->> 'process_space' as process_space,
    exists(
        select from pg_stat_activity as session
        where session.pid = runs.backend_pid
        -- Process numbers come back; the start is hidden from a user of fewer rights.
        and coalesce(session.backend_start = runs.backend_started_at, true)
    ) as has_session
from ops.sync_runs as runs
{where}
-- By number, since a clock may have been wrong; a ledger of an older warehouse, which a reader
-- does not change, has none.
order by (to_jsonb(runs) ->> 'run_number')::bigint desc nulls last, started_at desc
limit {limit}
"""


def _last_runs(connection: psycopg.Connection, limit: int) -> tuple[dict[str, Any], ...]:
    with connection.cursor(row_factory=dict_row) as cursor:
        query = sql.SQL(_RUNS).format(where=sql.SQL(""), limit=limit)
        return tuple(cursor.execute(query))


def _last_syncs(connection: psycopg.Connection) -> tuple[dict[str, Any], ...]:
    """The last sync and the one before; one that a wrong option or setting stopped is none."""
    where = sql.SQL("where command = 'sync' and exit_code is distinct from {}").format(USAGE)
    with connection.cursor(row_factory=dict_row) as cursor:
        return tuple(cursor.execute(sql.SQL(_RUNS).format(where=where, limit=2)))
