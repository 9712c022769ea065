"""`warehouse status`: what consumers see, and whether it is safe to trade on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from exporters.postgres import pending_exports
from warehouse.clock import Clock
from warehouse.destinations import Export
from warehouse.exit_codes import GATE_RED, PENDING, UNAVAILABLE, USAGE
from warehouse.ledger import LastPublication, last_publication
from warehouse.run_lock import is_dead

RUNS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Status:
    """What `status` says. `exit_code` is 0 when it is safe to trade on the publication.

    3: nothing is published, or it is older than the last trading day; 4: the last sync's gate
    was red; 5: a destination is pending.
    """

    publication: LastPublication | None
    age_seconds: float | None
    expected_as_of: date
    pending: tuple[str, ...]
    runs: tuple[dict[str, Any], ...]
    reasons: tuple[str, ...]
    exit_code: int

    @property
    def is_safe(self) -> bool:
        """Whether nothing speaks against trading on it."""
        return not self.reasons

    def facts(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        publication = self.publication
        return {
            "is_safe": self.is_safe,
            "reasons": list(self.reasons),
            "publication_id": publication.publication_id if publication else None,
            "as_of_date": publication.as_of_date.isoformat() if publication else None,
            "expected_as_of_date": self.expected_as_of.isoformat(),
            "published_at": publication.published_at.isoformat() if publication else None,
            "age_seconds": self.age_seconds,
            "filter": publication.filter if publication else None,
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
    wrong = {done.destination: done.told for done in exports if done.differs}
    runs = _last_runs(connection, RUNS_SHOWN)
    expected = clock.expected_as_of_date()
    reasons: list[tuple[int, str]] = []
    if publication is None:
        reasons.append((UNAVAILABLE, "nothing has been published yet: run `warehouse sync`"))
    elif publication.as_of_date < expected:
        reasons.append(
            (
                UNAVAILABLE,
                f"the publication is as of {publication.as_of_date}, {expected} is expected",
            )
        )
    if pending:
        reasons.append((PENDING, f"pending: {', '.join(pending)}; run `warehouse export`"))
    reasons += [(PENDING, f"{told}; run the last sync again") for told in differences]
    reasons += [
        (PENDING, f"{name} is not as published ({told.rstrip('.')}); run `warehouse export`")
        for name, told in wrong.items()
        if name not in pending
    ]
    reasons += _about_last_sync(_last_runs(connection, 1, command="sync"))
    return Status(
        publication=publication,
        age_seconds=_age(publication, clock.now()),
        expected_as_of=expected,
        pending=pending,
        runs=runs,
        reasons=tuple(text for _, text in reasons),
        exit_code=reasons[0][0] if reasons else 0,
    )


def _age(publication: LastPublication | None, now: datetime) -> float | None:
    return (now - publication.published_at).total_seconds() if publication else None


def _about_last_sync(runs: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    """What the last sync says against trading; a mistyped option says nothing."""
    for run in runs:
        told = str(run["error"] or "").rstrip(".")
        if run["exit_code"] == GATE_RED:
            return [(GATE_RED, f"the last sync's gate was red; read {run['report_path']}")]
        if run["status"] == "died" or (run["status"] == "running" and is_dead(run)):
            return [(UNAVAILABLE, f"the last sync died in stage {run['stage']}; run it again")]
        if run["status"] == "failed" and run["exit_code"] != USAGE:
            return [(UNAVAILABLE, f"the last sync failed: {told}")]
    return []


def _last_runs(
    connection: psycopg.Connection, limit: int, *, command: str | None = None
) -> tuple[dict[str, Any], ...]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return tuple(
            cursor.execute(
                """
                select run_id, command, status, stage, filter, as_of_date, publication_id,
                    exit_code, error, report_path, started_at, finished_at, host, pid
                from ops.sync_runs
                where %(command)s::text is null or command = %(command)s
                order by started_at desc
                limit %(limit)s
                """,
                {"command": command, "limit": limit},
            )
        )
