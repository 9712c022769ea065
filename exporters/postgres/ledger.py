"""The ledger: `ops.publications`, `ops.exports`, `history.publication_changes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from exporters.destination import Plan
from exporters.postgres.session import Connection, Cursor

ExportStatus = Literal["pending", "complete", "failed", "superseded"]

_PUBLICATION = """
insert into ops.publications (
    publication_id, published_at, as_of_date, run_id, load_id, filter, dump_sha256, fingerprint,
    rollback_of
)
select
    coalesce(max(publication_id), 0) + 1, %(published_at)s, %(as_of_date)s, %(run_id)s,
    %(load_id)s, %(filter)s, %(dump_sha256)s, %(fingerprint)s, %(rollback_of)s
from ops.publications
returning publication_id
"""

_SUPERSEDE = """
update ops.exports set status = 'superseded'
where status = 'pending' and publication_id < %s
"""

_PENDING = """
insert into ops.exports (publication_id, destination, status)
select %s, name, 'pending' from unnest(%s::text[]) as name
"""

_RECORD = """
insert into ops.exports (
    publication_id, destination, status, added, changed, removed, started_at, finished_at, error,
    digest
)
values (
    %(publication_id)s, %(destination)s, %(status)s, %(added)s, %(changed)s, %(removed)s,
    %(started_at)s, %(finished_at)s, %(error)s, %(digest)s
)
on conflict (publication_id, destination) do update set
    status = excluded.status,
    added = excluded.added,
    changed = excluded.changed,
    removed = excluded.removed,
    started_at = excluded.started_at,
    finished_at = excluded.finished_at,
    error = excluded.error,
    digest = excluded.digest
"""

_OUTSTANDING = """
select publication_id, destination, status, error
from ops.exports
where
    publication_id = (select max(publication_id) from ops.publications)
    and status in ('pending', 'failed')
order by destination
"""

_PRUNE = """
with old as (
    select publication_id from ops.publications
    order by publication_id desc
    offset %s
),

marked as (
    update ops.publications as p set summary = p.summary || '{"undo": "pruned"}'
    from old
    where p.publication_id = old.publication_id and p.summary ->> 'undo' is distinct from 'pruned'
)

delete from history.publication_changes as h using old where h.publication_id = old.publication_id
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a publication is about, whether asked for or read from the ledger."""

    published_at: datetime
    as_of_date: date
    run_id: str | None
    load_id: int | None
    filter: str
    dump_sha256: str | None
    fingerprint: str
    rollback_of: int | None = None
    feeds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PendingExport:
    """A destination that does not show the last publication yet."""

    publication_id: int
    destination: str
    status: Literal["pending", "failed"]
    error: str | None


def open_publication(cursor: Cursor, facts: Facts) -> int:
    """Write the publication's row; its number follows the highest. One publisher at a time."""
    parameters = {name: getattr(facts, name) for name in Facts.__slots__ if name != "feeds"}
    row = cursor.execute(_PUBLICATION, parameters).fetchone()
    assert row is not None  # noqa: S101  # an aggregate has one row
    return int(row[0])


def close_publication(
    cursor: Cursor, publication_id: int, *, rows_total: int, summary: Mapping[str, Any]
) -> None:
    """Complete the publication's row."""
    cursor.execute(
        "update ops.publications set rows_total = %s, summary = %s where publication_id = %s",
        [rows_total, Jsonb(summary), publication_id],
    )


def expect_exports(cursor: Cursor, publication_id: int, destinations: Iterable[str]) -> None:
    """Note the destinations that have to follow; those of older publications never will."""
    cursor.execute(_SUPERSEDE, [publication_id])
    cursor.execute(_PENDING, [publication_id, list(destinations)])


def record_export(
    connection: Connection,
    publication_id: int,
    destination: str,
    *,
    status: Literal["complete", "failed"],
    started_at: datetime,
    finished_at: datetime,
    plan: Plan | None = None,
    error: str | None = None,
    digest: str | None = None,
) -> None:
    """Note in `ops.exports` how an export ended; a transaction of its own on an idle connection.

    Args:
        connection: Committed here when it is idle; otherwise the commit is the caller's.
        publication_id: What was exported.
        destination: Where to.
        status: How it ended.
        started_at: Aware.
        finished_at: Aware.
        plan: What was written.
        error: Why it failed, without secrets.
        digest: Of what the destination holds now, where it is one file.
    """
    parameters = {
        "publication_id": publication_id, "destination": destination, "status": status,
        "added": plan.added if plan else None,
        "changed": plan.changed if plan else None,
        "removed": plan.removed if plan else None,
        "started_at": started_at, "finished_at": finished_at, "error": error, "digest": digest,
    }  # fmt: skip
    with connection.transaction():
        connection.execute(_RECORD, parameters)


def exported_digest(connection: Connection, publication_id: int, destination: str) -> str | None:
    """The digest of what was read back after the export of a publication; None if there is none."""
    row = (
        connection.cursor(row_factory=tuple_row)
        .execute(
            "select digest from ops.exports"
            " where publication_id = %s and destination = %s and status = 'complete'",
            [publication_id, destination],
        )
        .fetchone()
    )
    return row[0] if row else None


def pending_exports(connection: Connection) -> tuple[PendingExport, ...]:
    """The destinations that do not show the last publication yet."""
    with connection.transaction():
        cursor = connection.cursor(row_factory=tuple_row)
        return tuple(PendingExport(*row) for row in cursor.execute(_OUTSTANDING).fetchall())


def last_publication_id(connection: Connection) -> int | None:
    """The number of the last publication; None before the first."""
    with connection.transaction():
        cursor = connection.cursor(row_factory=tuple_row)
        row = cursor.execute("select max(publication_id) from ops.publications").fetchone()
    return row[0] if row else None


def prune_undo(connection: Connection, keep_publications: int) -> int:
    """Forget how to undo all but the newest publications.

    Args:
        connection: Committed here when it is idle; otherwise the commit is the caller's.
        keep_publications: How many of the newest can still be undone, one or more.

    Returns:
        How many rows of `history.publication_changes` were deleted.
    """
    if keep_publications < 1:
        message = f"keep_publications is {keep_publications}, at least 1 was expected"
        raise ValueError(message)
    with connection.transaction():
        return connection.execute(_PRUNE, [keep_publications]).rowcount
