"""The feeds that can be landed, by name: one small file a broker.

A broker is added by adding its file: a module of this package with a `FEED`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from loader.errors import SourceNotFound
from loader.feeds import kite
from loader.feeds.feed import Csv, Feed, Json

__all__ = ["FEEDS", "KITE", "Csv", "Feed", "Json", "feed_named", "registry"]


def registry(feeds: Iterable[Feed]) -> Mapping[str, Feed]:
    """The feeds by name, in the order of their names.

    Raises:
        ValueError: two of them share a name or a staging table.
    """
    by_name: dict[str, Feed] = {}
    tables: dict[str, str] = {}
    for feed in sorted(feeds, key=lambda feed: feed.name):
        other = tables.setdefault(feed.table, feed.name)
        if feed.name in by_name or other != feed.name:
            raise ValueError(f"feed {feed.name} takes the name or the table of feed {other}")
        by_name[feed.name] = feed
    return MappingProxyType(by_name)


def _found() -> Iterable[Feed]:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        feed = getattr(importlib.import_module(module.name), "FEED", None)
        if isinstance(feed, Feed):
            yield feed


FEEDS = registry(_found())
KITE = kite.FEED


def feed_named(name: str) -> Feed:
    """Return the feed of this name.

    Raises:
        SourceNotFound: no feed has it.
    """
    try:
        return FEEDS[name]
    except KeyError:
        raise SourceNotFound(
            f"there is no feed named {name!r}", expected=f"one of: {', '.join(sorted(FEEDS))}"
        ) from None
