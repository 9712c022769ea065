"""Put an older publication back, as a new one, from the undo rows of those in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
from psycopg import sql

from exporters.postgres.catalog import Relation, read_relations, temporary_schema
from exporters.postgres.content import Applied, publish_instruments, publish_table
from exporters.postgres.errors import PublicationOutOfReach, PublicationUnknown
from exporters.postgres.history import record_rollback
from exporters.postgres.ledger import Facts, open_publication
from exporters.postgres.migration import Step, apply_steps
from exporters.postgres.overrides import capture
from exporters.postgres.publish import hold_instruments
from exporters.postgres.request import DEFAULT_LOCK_TIMEOUT_MS, PUBLISHED_SCHEMA, Publication
from exporters.postgres.rows import key_object
from exporters.postgres.seal import seal
from exporters.postgres.session import UNCHANGED, Connection, Cursor, Stopwatch, publishing

_TARGET = """
select as_of_date, load_id, filter, dump_sha256, fingerprint, summary -> 'feeds'
from ops.publications
-- Nobody was ever shown a day that was brought in later.
where publication_id = %s and brought_in_after is null
"""

_SINCE = """
select publication_id, summary from ops.publications where publication_id >= %s
order by publication_id
"""

# The earliest row noted after the target is the row as the target had it.
_CONTENT = sql.SQL("""
create temporary table {content} on commit drop as
with undo as (
    select distinct on (key) key, change, before
    from history.publication_changes
    where table_name = {name} and publication_id > {after} and publication_id < {until}
    order by key, publication_id
)

select m.* from {published} as m
where {is_kept} and not exists (select from undo where undo.key = {key})
union all
select r.* from undo
cross join lateral jsonb_populate_record(null::{published}, undo.before) as r
where undo.change <> 'added'
""")

_RESTORE = """
insert into ops.subscription_overrides (
    canonical_id, instrument_token, is_active, origin, recorded_at, filter
)
select distinct on (o.canonical_id)
    o.canonical_id, o.instrument_token, o.is_active, o.origin, o.recorded_at, o.filter
from ops.publications as p
cross join lateral jsonb_to_recordset(p.summary -> 'overrides_dropped') as o (
    canonical_id text, instrument_token integer, is_active boolean, origin text,
    recorded_at timestamptz, filter text
)
where p.publication_id > %s and p.summary ? 'overrides_dropped'
order by o.canonical_id, p.publication_id desc
on conflict (canonical_id) do nothing
"""


@dataclass(frozen=True, slots=True)
class _Way:
    """The way back: what happened after the target.

    Attributes:
        target: The publication to put back.
        until: For each table that was empty before a later publication, the first such: what
            it and its followers noted does not matter, since it began with nothing.
        tables: Every table that the target or a later publication published.
        views: The views of the last publication.
    """

    target: int
    until: Mapping[str, int]
    tables: tuple[str, ...]
    views: tuple[str, ...]


def rollback_to(
    connection: Connection,
    publication_id: int,
    *,
    published_at: datetime,
    run_id: str | None = None,
    destinations: tuple[str, ...] = (),
    lock_timeout_ms: int = DEFAULT_LOCK_TIMEOUT_MS,
    plan_only: bool = False,
) -> Publication:
    """Publish the content of an older publication again, under a new number.

    Hand changes of `is_active` are recorded first and stay recorded: they take effect again
    with the next build.

    Args:
        connection: As for `publish`.
        publication_id: The publication to put back.
        published_at: The instant of the new publication, aware.
        run_id: The run that asks.
        destinations: Names of the destinations outside PostgreSQL, recorded as pending.
        lock_timeout_ms: How long a lock is waited for, milliseconds.
        plan_only: Do everything, then roll it back.

    Raises:
        PublicationUnknown: There is no such publication.
        PublicationOutOfReach: The undo rows were pruned.
        DestinationUnavailable: PostgreSQL went away, or somebody holds a lock.
        DestinationRefused: A row of then does not fit today's tables.
        VerificationError: The tables would not read back.
    """
    watch = Stopwatch()
    with publishing(connection, lock_timeout_ms=lock_timeout_ms) as cursor:
        facts = _facts(cursor, publication_id, published_at, run_id)
        way = _way_back(cursor, publication_id)
        hold_instruments(cursor)
        capture(cursor, candidate_schema=PUBLISHED_SCHEMA, recorded_at=published_at)
        number = open_publication(cursor, facts)
        applied = Applied(views=list(way.views))
        for name, published in read_relations(cursor, PUBLISHED_SCHEMA, way.tables).items():
            with watch.stage(f"marts.{name}"):
                _put_back(cursor, published, way, number, applied)
        publish_instruments(cursor, applied, watch, now=published_at)
        with watch.stage("history"):
            dropped = record_rollback(cursor, number, facts, publication_id)
        cursor.execute(_RESTORE, [publication_id])
        publication = seal(
            cursor, number, facts, applied,
            destinations=destinations, overrides_dropped=dropped, is_plan=plan_only,
        )  # fmt: skip
        if plan_only:
            raise psycopg.Rollback
    return replace(publication, seconds=watch.seconds)


def _facts(
    cursor: Cursor, publication_id: int, published_at: datetime, run_id: str | None
) -> Facts:
    row = cursor.execute(_TARGET, [publication_id]).fetchone()
    if row is None:
        raise PublicationUnknown(
            f"there is no publication {publication_id}",
            expected="the number of one in ops.publications",
            consumers=UNCHANGED,
        )
    as_of_date, load_id, filter_name, dump_sha256, fingerprint, feeds = row
    return Facts(
        published_at, as_of_date, run_id, load_id, filter_name, dump_sha256, fingerprint,
        rollback_of=publication_id, feeds=feeds or {},
    )  # fmt: skip


def _way_back(cursor: Cursor, target: int) -> _Way:
    since = cursor.execute(_SINCE, [target]).fetchall()
    later = since[1:]
    pruned = [number for number, summary in later if summary.get("undo") == "pruned"]
    if pruned:
        raise PublicationOutOfReach(
            f"how to undo publication {pruned[-1]} was forgotten",
            expected=f"the undo rows of publications {target + 1} to {later[-1][0]}",
            consumers=UNCHANGED,
            remedy=f"Roll back to {pruned[-1]} or later, or sync the archived dump of {target}",
        )
    until: dict[str, int] = {}
    for number, summary in later:
        for name, counts in summary["tables"].items():
            if counts["was_empty"]:
                until.setdefault(name, number)
    names = dict.fromkeys(name for _, summary in since for name in summary["tables"])
    return _Way(target, until, tuple(names), tuple(since[-1][1]["views"]))


def _put_back(
    cursor: Cursor,
    published: Relation,
    way: _Way,
    number: int,
    applied: Applied,
) -> None:
    """Rebuild the table's content of then beside it, and publish the difference."""
    name = published.name
    content = f"rollback_content_{len(applied.tables)}"
    cursor.execute(
        _CONTENT.format(
            content=sql.Identifier(content),
            name=sql.Literal(name),
            after=sql.Literal(way.target),
            until=sql.Literal(way.until.get(name, number)),
            published=published.identifier,
            is_kept=sql.Literal(name not in way.until),
            key=key_object(published.key, "m"),
        )
    )
    cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(content)))
    schema = temporary_schema(cursor)
    then = read_relations(cursor, schema, [content])[content]
    steps = _allow_nulls(cursor, then, published)
    apply_steps(cursor, published, steps)
    applied.migrations += [f"{published}: {step.told}" for step in steps]
    publish_table(cursor, then, published, number, applied)


def _allow_nulls(cursor: Cursor, then: Relation, published: Relation) -> tuple[Step, ...]:
    """Rows of before a column was added have none in it; the next publication asks again."""
    required = [column.name for column in published.columns if column.is_required]
    counts = cursor.execute(
        sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(
                sql.SQL("bool_or({} is null)").format(sql.Identifier(name)) for name in required
            ),
            then.identifier,
        )
    ).fetchone()
    return tuple(
        Step(
            sql.SQL("alter column {} drop not null").format(sql.Identifier(name)),
            f"drop not null on {name}",
        )
        for name, has_nulls in zip(required, counts or (), strict=True)
        if has_nulls
    )
