"""From `--source`, FEEDS and the settings of each feed to what the loader fetches."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from loader.feeds import FEEDS, KITE, Feed
from loader.fetch import FetchOptions
from warehouse.errors import UsageError
from warehouse.settings import Settings, read_feed_settings

SAMPLE = "sample"
URL_SCHEMES = ("https", "http", "file")


def check_source(source: str) -> str:
    """Refuse what is neither `kite`, `sample`, a file nor a URL, before anything is started.

    Raises:
        UsageError: saying what is taken.
    """
    if source in (SAMPLE, KITE.name) or urlsplit(source).scheme in URL_SCHEMES:
        return source
    path = Path(source).expanduser()
    if not path.is_file():
        raise UsageError(
            f"SOURCE {source!r} is not a file. It is one of: kite, sample, a path to .csv or "
            f".csv.gz, an https:// or file:// URL."
        )
    return str(path.resolve())


def feeds_of(settings: Settings) -> tuple[Feed, ...]:
    """The feeds that are on, in the order of FEEDS, each at the URL of its settings.

    Raises:
        UsageError: an unknown feed, one named twice, or Kite left out.
    """
    unknown = [name for name in settings.feeds if name not in FEEDS]
    if unknown:
        raise UsageError(
            f"FEEDS names {', '.join(map(repr, unknown))}; the feeds are {', '.join(FEEDS)}."
        )
    if len(set(settings.feeds)) < len(settings.feeds):
        raise UsageError(f"FEEDS names a feed twice: {','.join(settings.feeds)}.")
    if settings.feeds[:1] != (KITE.name,):
        raise UsageError(
            f"FEEDS is {','.join(settings.feeds)!r}; it must begin with kite, whose tokens Redis, "
            f".env and public.instruments hold."
        )
    return tuple(_at_its_url(FEEDS[name]) for name in settings.feeds)


def _at_its_url(feed: Feed) -> Feed:
    url = read_feed_settings(feed.name).instruments_url
    return feed.with_url(url) if url else feed


def source_of(feed: Feed, asked: str) -> str:
    """Where a feed's dump comes from: Kite's as asked for, another's by `<FEED>_SOURCE`.

    A file that is not there today is not a usage error: the feed is stale then.
    """
    if feed.name == KITE.name:
        return asked
    return read_feed_settings(feed.name).source or feed.name


def fetch_options(settings: Settings, feed: Feed, asked: str, filter_text: str) -> FetchOptions:
    """Timeouts, attempts, size cap and headers.

    Args:
        settings: of the run.
        feed: at the URL of its settings.
        asked: where its dump comes from this time. An access token goes to the broker alone, to
            no mirror: it can place orders.
        filter_text: for the command that a message names.
    """
    headers = {"X-Kite-Version": "3"} if feed.name == KITE.name else {}
    authorization = read_feed_settings(feed.name).authorization
    if authorization is not None and asked in (feed.name, feed.url):
        headers["Authorization"] = authorization.get_secret_value()
    return FetchOptions(
        connect_timeout=settings.fetch_connect_timeout_seconds,
        read_timeout=settings.fetch_read_timeout_seconds,
        deadline=settings.fetch_total_timeout_seconds,
        attempts=settings.fetch_attempts,
        max_bytes=settings.fetch_max_bytes,
        headers=headers,
        offline_command=f"make sync FILTER={filter_text} SOURCE=sample",
    )
