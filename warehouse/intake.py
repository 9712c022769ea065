"""The first half of a sync: a dump is fetched, archived and landed in staging."""

from __future__ import annotations

from concurrent.futures import Future

import psycopg

from loader.archive import prune
from loader.fetch import Dump, fetch
from loader.landing import Load, land
from loader.ledger import last_validator
from loader.source import parse_source
from warehouse.source import fetch_options
from warehouse.sync_request import SyncContext


def fetch_dump(context: SyncContext, connection: psycopg.Connection) -> Dump:
    """Fetch the dump into the landing folder.

    Raises:
        LoaderError: it cannot be had, or is refused.
    """
    settings = context.warehouse.settings
    request = context.request
    # As it may be shown: a URL may hold a password or a key.
    place = parse_source(request.source, context.feed).shown
    context.run.update(stage="fetch", source=place, as_of_date=context.as_of)
    with context.stages.stage("fetch", f"getting the {context.feed.name} dump") as stage:
        dump = fetch(
            request.source,
            context.feed,
            as_of=context.as_of,
            landing=settings.landing,
            options=fetch_options(settings, request.filter_text),
            known=last_validator(connection, context.feed.name, place),
            on_progress=lambda done, total: stage.advance(done, total, "downloading"),
        )
        news = ", unchanged at the broker" if dump.is_unchanged else ""
        stage.done(f"{dump.size / 1e6:.1f} MB from {dump.source}{news}, sha256 {dump.sha256[:12]}")
    return dump


def land_dump(
    context: SyncContext, connection: psycopg.Connection, dump: Dump, preparing: Future[None]
) -> Load:
    """Land the dump, while `preparing` (dbt's import and parse) goes on beside it.

    Raises:
        LoaderError: a row or the header is not what it must be, or PostgreSQL failed.
        BuildFailed: the dbt project does not parse.
    """
    warehouse = context.warehouse
    context.run.update(stage="land")
    with context.stages.stage("land", "copying into staging") as stage:
        load = land(
            connection,
            dump,
            context.feed,
            as_of=context.as_of,
            started_at=warehouse.clock.now(),
            now=warehouse.clock.now,
            on_progress=lambda done, total: stage.advance(done, total, "copying into staging"),
        )
        stage.done(f"{load.rows:,} rows")
    for warning in load.warnings:
        context.stages.display.warn(warning)
    context.run.update(load_id=load.load_id)
    prune(
        warehouse.settings.landing,
        context.feed.name,
        warehouse.settings.landing_keep_days,
        keep={dump.path},
    )
    with context.stages.stage("parse", "reading the dbt project") as stage:
        preparing.result()
        stage.done("dbt project parsed")
    return load
