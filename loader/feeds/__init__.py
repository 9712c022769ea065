"""The feeds that can be landed, by name: one small file a broker."""

from __future__ import annotations

from types import MappingProxyType

from loader.errors import SourceNotFound
from loader.feeds.feed import Feed
from loader.feeds.kite import KITE

__all__ = ["FEEDS", "KITE", "Feed", "feed_named"]

FEEDS = MappingProxyType({feed.name: feed for feed in (KITE,)})


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
