"""Publish the audited candidate: one transaction, by difference, verified before it commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import psycopg
from psycopg import sql

from exporters.errors import DestinationRefused
from exporters.postgres.candidate import audited_candidate
from exporters.postgres.catalog import Relation, read_relations, read_views
from exporters.postgres.content import Applied, publish_instruments, publish_table
from exporters.postgres.errors import SubscriptionsChangedMeanwhile
from exporters.postgres.history import record_publication, refuse_older_day
from exporters.postgres.ledger import Facts, open_publication
from exporters.postgres.legacy_shape import INSTRUMENTS, read_instruments
from exporters.postgres.migration import Migration, apply_steps, migrated, plan_migration
from exporters.postgres.overrides import capture
from exporters.postgres.published_overrides import drop_spent
from exporters.postgres.rekey import fill_key
from exporters.postgres.request import PUBLISHED_SCHEMA, Publication, PublishRequest
from exporters.postgres.seal import seal
from exporters.postgres.session import (
    UNCHANGED,
    Connection,
    Cursor,
    Stopwatch,
    publishing,
    waiting_for,
)
from exporters.postgres.tables import carry_comments, create_indexes, create_table
from exporters.postgres.views import (
    Grant,
    publish_views,
    refuse_unpublished_references,
    step_aside,
)


def publish(
    connection: Connection, request: PublishRequest, *, plan_only: bool = False
) -> Publication:
    """Publish a candidate.

    Args:
        connection: Direct, not through a transaction pooler. A transaction that it is in is
            committed first: a publication is one of its own.
        request: What to publish.
        plan_only: Do everything, then roll it back: nothing is changed.

    Returns:
        The publication, with the differences that were applied.

    Raises:
        CandidateChanged: The candidate is not the one that was audited.
        SubscriptionsChangedMeanwhile: A person changed `is_active` since the build; the
            overrides are recorded, nothing else is: build again.
        DestinationUnavailable: PostgreSQL went away, is full, or somebody holds a lock.
        DestinationRefused: A shape or a row that the published tables cannot take.
        OlderThanPublished: The as-of date is before that of the last publication.
        VerificationError: The tables would not read back as the candidate.
    """
    late = 0
    watch = Stopwatch()
    with publishing(connection, lock_timeout_ms=request.lock_timeout_ms) as cursor:
        with watch.stage("lock"):
            candidate = audited_candidate(cursor, request)
            refuse_older_day(cursor, request.as_of_date)
            hold_instruments(cursor)
            if not plan_only:
                late = capture(
                    cursor,
                    candidate_schema=request.candidate_schema,
                    recorded_at=request.published_at,
                    next_filter=request.filter,
                    as_of=request.as_of_date,
                )
        if not late:
            publication = _publish(cursor, request, candidate, watch, is_plan=plan_only)
        if plan_only:
            raise psycopg.Rollback
    if late:
        raise SubscriptionsChangedMeanwhile(late)
    return replace(publication, seconds=watch.seconds)


def hold_instruments(cursor: Cursor) -> None:
    """Hold writers of `public.instruments` off until the end; readers go on.

    Raises:
        DestinationUnavailable: A writer does not end its transaction in time.
    """
    if read_instruments(cursor) is None:
        return
    text = INSTRUMENTS.as_string()
    with waiting_for("public.instruments", text, cursor):
        cursor.execute(sql.SQL("lock table {} in share row exclusive mode").format(INSTRUMENTS))


def _publish(
    cursor: Cursor,
    request: PublishRequest,
    candidate: Mapping[str, Relation],
    watch: Stopwatch,
    *,
    is_plan: bool,
) -> Publication:
    facts = Facts(
        request.published_at, request.as_of_date, request.run_id, request.load_id,
        request.filter, request.dump_sha256, request.fingerprint, feeds=request.feeds,
    )  # fmt: skip
    publication_id = open_publication(cursor, facts)
    applied = Applied()
    with watch.stage("shape"):
        published = read_relations(cursor, PUBLISHED_SCHEMA, candidate)
        migrations = _plan_migrations(cursor, candidate, published)
        grants = _make_way(cursor, migrations, published, request.candidate_schema)
    for wanted in candidate.values():
        if wanted.kind == "table":
            with watch.stage(f"marts.{wanted.name}"):
                migration = migrations.get(wanted.name)
                _publish_table(cursor, wanted, migration, publication_id, applied)
    with watch.stage("views"):
        _publish_views(cursor, candidate, grants, applied)
    publish_instruments(cursor, applied, watch, now=request.published_at)
    with watch.stage("history"):
        dropped = record_publication(cursor, publication_id, facts, applied, grants)
    with watch.stage("ledger"):
        dropped += drop_spent(cursor, filter_name=request.filter, as_of=request.as_of_date)
        return seal(
            cursor,
            publication_id,
            facts,
            applied,
            destinations=request.destinations,
            overrides_dropped=dropped,
            is_plan=is_plan,
        )


def _plan_migrations(
    cursor: Cursor, candidate: Mapping[str, Relation], published: Mapping[str, Relation]
) -> dict[str, Migration]:
    """The change of shape of each published table; refused before anything is touched."""
    for name, wanted in candidate.items():
        held = published.get(name)
        if held is not None and held.kind != wanted.kind:
            raise DestinationRefused(
                f"{wanted} is a {wanted.kind}, {held} a {held.kind}",
                expected="the same kind",
                consumers=UNCHANGED,
                remedy=f"Drop {held.kind} {held} when nothing depends on it, then publish again",
            )
    views = [one for one in candidate.values() if one.kind == "view"]
    if views:
        refuse_unpublished_references(cursor, views, list(candidate))
    return {
        name: plan_migration(wanted, published[name])
        for name, wanted in candidate.items()
        if wanted.kind == "table" and name in published
    }


def _make_way(
    cursor: Cursor,
    migrations: Mapping[str, Migration],
    published: Mapping[str, Relation],
    candidate_schema: str,
) -> dict[str, tuple[Grant, ...]]:
    """Drop our own views over columns that change their type; who may read them, by name.

    Ours are the published ones, made again in this publication, and those with which the
    candidate's models read what is published, made again by the next build.
    """
    grants: dict[str, tuple[Grant, ...]] = {}
    for migration in migrations.values():
        if migration.retyped:
            views = [
                one for one in published.values() if one.kind == "view" and one.name not in grants
            ]
            views += [*read_views(cursor, candidate_schema), *read_views(cursor, "history")]
            grants |= step_aside(cursor, migration.table, migration.retyped, views)
    return grants


def _publish_table(
    cursor: Cursor,
    wanted: Relation,
    migration: Migration | None,
    publication_id: int,
    applied: Applied,
) -> None:
    if migration is None:
        create_table(cursor, wanted, PUBLISHED_SCHEMA)
        made = read_relations(cursor, PUBLISHED_SCHEMA, [wanted.name])[wanted.name]
        # Its key is made when it is full.
        publish_table(cursor, wanted, replace(made, key=wanted.key), publication_id, applied)
        create_indexes(cursor, wanted, made)
        carry_comments(cursor, wanted, made)
        return
    held = migration.table
    apply_steps(cursor, held, migration.before)
    if migration.rekey:
        fill_key(cursor, held, migration.rekey, publication_id)
    publish_table(cursor, wanted, migrated(wanted, migration), publication_id, applied)
    if migration.rekey:
        create_indexes(cursor, wanted, held)
    apply_steps(cursor, held, migration.after)
    carry_comments(cursor, wanted, held)
    applied.migrations += migration.lines


def _publish_views(
    cursor: Cursor,
    candidate: Mapping[str, Relation],
    grants: Mapping[str, tuple[Grant, ...]],
    applied: Applied,
) -> None:
    views = [one for one in candidate.values() if one.kind == "view"]
    names = [view.name for view in views]
    held = read_relations(cursor, PUBLISHED_SCHEMA, names)
    applied.migrations += publish_views(cursor, views, held, schema=PUBLISHED_SCHEMA, grants=grants)
    made = read_relations(cursor, PUBLISHED_SCHEMA, names)
    applied.views += names
    for view in views:
        carry_comments(cursor, view, made[view.name])
