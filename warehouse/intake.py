"""The first half of a sync: each feed's dump is fetched, archived and landed in staging.

A broker that is down, or whose dump is refused, does not stop the others: the rows of its last
publication stay, and are marked stale with their as-of date.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date

import psycopg

from loader.archive import prune
from loader.errors import BrokerUnavailable, DumpRefused, LoaderError, SourceNotFound
from loader.feeds import Feed
from loader.fetch import Dump, fetch
from loader.landing import land
from loader.ledger import last_validator, load_dump
from loader.source import parse_source
from loader.staging import ensure_table, staged_load_id
from warehouse.display import BYTES
from warehouse.publications import LastPublication, first_publication
from warehouse.source import fetch_options, source_of
from warehouse.sync_request import FeedLoad, SyncContext, dump_identity


@dataclass(frozen=True, slots=True)
class FeedDump:
    """What could be had of one feed.

    Attributes:
        feed: whose.
        dump: what was fetched; or the archived dump of the last publication; or nothing.
        as_of: the trading day that the dump describes.
        load_id: the load of the last publication, where its dump stands in for a new one.
        trouble: why there is no dump of today, where there is none.
    """

    feed: Feed
    dump: Dump | None
    as_of: date
    load_id: int | None = None
    trouble: LoaderError | None = None

    @property
    def is_stale(self) -> bool:
        """Whether there is no dump of today."""
        return self.trouble is not None

    @property
    def told_trouble(self) -> str:
        """What was seen instead of a dump of today; empty where there is one."""
        return self.trouble.seen if self.trouble else ""

    @property
    def source(self) -> str:
        """Where the dump came from; empty without one."""
        return self.dump.source if self.dump else ""

    @property
    def identity(self) -> str:
        """What tells it from another dump: the same bytes are stale one day and fresh another."""
        return dump_identity(self.dump.sha256 if self.dump else "", self.as_of, self.is_stale)


def fetch_dumps(
    context: SyncContext, connection: psycopg.Connection, before: LastPublication | None
) -> tuple[FeedDump, ...]:
    """Fetch every feed's dump into the landing folder; Kite's comes first.

    Raises:
        LoaderError: no dump can be had, or Kite's cannot and was never published.
    """
    fetched = []
    for feed in context.feeds:
        try:
            dump = _fetch(context, connection, feed)
        except (BrokerUnavailable, DumpRefused, SourceNotFound) as error:
            fetched.append(_stand_in(context, connection, feed, before, error))
        else:
            fetched.append(FeedDump(feed, dump, context.as_of))
    _require_news(fetched)
    return tuple(fetched)


def _stand_in(
    context: SyncContext,
    connection: psycopg.Connection,
    feed: Feed,
    before: LastPublication | None,
    error: LoaderError,
) -> FeedDump:
    """The dump that the last publication was built from, in the place of one that fails.

    Raises:
        LoaderError: the error, where there is nothing that could go on without the dump.
    """
    known = before.feeds.get(feed.name) if before else None
    dump = load_dump(connection, known.load_id) if known and known.load_id else None
    is_main = feed == context.feeds[0]
    # A mistyped SOURCE is for a person to mend; a feed's file may just not be there yet.
    if is_main and (len(context.feeds) == 1 or dump is None or isinstance(error, SourceNotFound)):
        raise error
    if known is None or dump is None:
        found = FeedDump(feed, None, context.as_of, trouble=error)
    else:
        found = FeedDump(feed, dump, known.as_of_date, known.load_id, error)
    context.stages.display.warn(
        _told(found, was_published=known is not None and known.load_id is not None)
    )
    return found


def _require_news(found: Sequence[FeedDump]) -> None:
    """With every broker down there is nothing to build."""
    troubles = [one.trouble for one in found if one.trouble is not None]
    if len(troubles) == len(found):
        raise troubles[0]


def _told(found: FeedDump, *, was_published: bool) -> str:
    kept = f"its rows of {found.as_of} stay, marked stale"
    if found.dump is None:
        trouble = (
            "its archived dump is gone" if was_published else "it was not in the last publication"
        )
        kept = f"{trouble}, so it is left out"
    return f"{found.feed.title} has no dump for today: {kept} ({found.told_trouble})"


def _fetch(context: SyncContext, connection: psycopg.Connection, feed: Feed) -> Dump:
    settings = context.warehouse.settings
    asked = _asked(context, feed)
    # As it may be shown: a URL may hold a password or a key.
    place = parse_source(asked, feed).shown
    if feed == context.feeds[0]:
        context.run.update(stage="fetch", source=place, as_of_date=context.as_of)
    name = _stage("fetch", context, feed)
    with context.stages.stage(name, f"getting the {feed.name} dump") as stage:
        stage.unit = BYTES
        dump = fetch(
            asked,
            feed,
            as_of=context.as_of,
            landing=settings.landing,
            options=fetch_options(settings, feed, asked, context.request.filter_text),
            known=last_validator(connection, feed.name, place),
            on_progress=lambda done, total: stage.advance(done, total, "downloading"),
        )
        news = ", unchanged at the broker" if dump.is_unchanged else ""
        stage.done(f"{dump.size / 1e6:.1f} MB from {dump.source}{news}, sha256 {dump.sha256[:12]}")
    return dump


def _asked(context: SyncContext, feed: Feed) -> str:
    """Where the dump is to come from: a replayed day's file, else what the settings say.

    Raises:
        BrokerUnavailable: the replayed day has none of this feed. It is missing as it was that
            day; what its broker serves now is of another day.
    """
    told = context.request.feed_sources
    asked = told.get(feed.name)
    if asked is None and feed.name in told:
        raise BrokerUnavailable(
            f"there is no dump of {feed.title} of {context.as_of}",
            expected=f"a {feed.formats} dump of that day",
        )
    return asked or source_of(feed, context.request.source)


def _stage(verb: str, context: SyncContext, feed: Feed) -> str:
    """`fetch`; beside other feeds, `fetch dhan`."""
    return verb if feed == context.feeds[0] else f"{verb} {feed.name}"


def land_dumps(
    context: SyncContext,
    connection: psycopg.Connection,
    dumps: Sequence[FeedDump],
    preparing: Future[None],
    before: LastPublication | None,
) -> dict[str, FeedLoad]:
    """Land every dump, while `preparing` (dbt's import and parse) goes on beside it.

    Raises:
        LoaderError: a row or the header is not what it must be, or PostgreSQL failed.
        BuildFailed: the dbt project does not parse.
    """
    context.run.update(stage="land")
    landed, loads = [], {}
    for found in dumps:
        try:
            loads[found.feed.name] = _land(context, connection, found)
        except DumpRefused as error:
            if found.is_stale:
                raise
            instead = _stand_in(context, connection, found.feed, before, error)
            loads[found.feed.name] = _land(context, connection, instead)
            landed.append(instead)
        else:
            landed.append(found)
    _require_news(landed)
    context.run.update(load_id=loads[context.feeds[0].name].load_id)
    with context.stages.stage("parse", "reading the dbt project") as stage:
        preparing.result()
        stage.done("dbt project parsed")
    return loads


def land_stand_in(
    context: SyncContext,
    connection: psycopg.Connection,
    feed: Feed,
    before: LastPublication | None,
    error: LoaderError,
) -> FeedLoad:
    """Land what stands in for a feed's dump that has landed already and is refused after all."""
    return _land(context, connection, _stand_in(context, connection, feed, before, error))


def _land(context: SyncContext, connection: psycopg.Connection, found: FeedDump) -> FeedLoad:
    feed, dump = found.feed, found.dump
    if dump is None:
        ensure_table(connection, feed)
        return FeedLoad(None, found.as_of, "", 0, is_stale=True, trouble=found.told_trouble)
    if found.load_id is not None and staged_load_id(connection, feed) == found.load_id:
        # What the last publication was built from still stands there.
        return FeedLoad(
            found.load_id, found.as_of, dump.sha256, 0, is_stale=True, trouble=found.told_trouble
        )
    warehouse = context.warehouse
    with context.stages.stage(_stage("land", context, feed), "copying into staging") as stage:
        stage.unit = BYTES
        load = land(
            connection,
            dump,
            feed,
            as_of=found.as_of,
            started_at=warehouse.clock.now(),
            now=warehouse.clock.now,
            on_progress=lambda done, total: stage.advance(done, total, "copying into staging"),
        )
        stage.done(f"{load.rows:,} rows")
    for warning in load.warnings:
        context.stages.display.warn(warning)
    _prune(context, found)
    return FeedLoad(
        load.load_id, found.as_of, dump.sha256, load.rows,
        is_stale=found.is_stale, trouble=found.told_trouble,
    )  # fmt: skip


def _prune(context: SyncContext, found: FeedDump) -> None:
    """Delete old dumps; not those with which history begins: days may yet be put before them."""
    settings = context.warehouse.settings
    first = first_publication(context.warehouse.connection)
    kept = set(first.archived(settings.landing)) if first else set()
    if found.dump is not None:
        kept.add(found.dump.path)
    prune(settings.landing, found.feed.name, settings.landing_keep_days, keep=kept)
