"""Where a dump comes from, as typed by a person: a feed, a file, a URL or the sample."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from loader.errors import SourceNotFound
from loader.feeds.feed import Feed
from loader.wording import with_article

SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class Remote:
    """A dump at an `https` URL (or `http` on this machine).

    Attributes:
        url: without the user and password, which travel apart so that no message shows them.
        login: the user and password that the URL held, if any.
        shown: the URL as it may be shown and recorded.
    """

    url: str
    login: tuple[str, str] | None
    shown: str

    @property
    def has_query(self) -> bool:
        """Whether the URL has a query (whose values `shown` does not tell apart)."""
        return bool(urlsplit(self.url).query)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A dump in a file of this machine."""

    path: Path
    shown: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The generated sample."""

    shown: str = SAMPLE


Source = Remote | LocalFile | Sample


def kinds(feed: Feed) -> str:
    """The sources that this feed takes, in words."""
    sample = "'sample', " if feed.has_sample else ""
    form = feed.formats.lower().split(" or ")
    files = " or ".join(f".{ending} or .{ending}.gz" for ending in form)
    return f"the feed's name, {sample}the path of a {files} file, or an https:// or file:// URL"


def parse_source(text: str, feed: Feed) -> Source:
    """Read what was typed.

    Args:
        text: the feed's name, `sample` (of Kite), a path, or a URL (`https`, `file`, or `http` on
            loopback).
        feed: the feed, whose name stands for its own URL.

    Raises:
        SourceNotFound: no such file, or a kind of source that is not read.
    """
    text = text.strip()
    if text == SAMPLE and not feed.has_sample:
        raise SourceNotFound(
            f"there is no sample of {with_article(f'{feed.title} dump')}", expected=kinds(feed)
        )
    if text == SAMPLE:
        return Sample()
    if text == feed.name:
        return _remote(feed.url, feed.url_setting, feed)
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if scheme == "file":
        return _local(_path_of(text), feed)
    if scheme:
        return _remote(text, "SOURCE", feed)
    return _local(Path(text).expanduser(), feed)


def redact(url: str) -> str:
    """Return the URL without what might be a secret: user, password, query values, fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL that cannot be read"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    login = "***@" if "@" in parts.netloc else ""
    query = "&".join(f"{key}=***" for key, _ in parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit((parts.scheme, f"{login}{host}{port}", parts.path, query, ""))


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, by its name or number alone (nothing is looked up)."""
    if not host:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _remote(url: str, setting: str, feed: Feed) -> Remote:
    shown = redact(url)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise SourceNotFound(f"{setting} is not a URL", expected=kinds(feed)) from None
    scheme = parts.scheme.lower()
    if scheme == "http" and not is_loopback(parts.hostname):
        raise SourceNotFound(
            f"{shown} is not encrypted, so anyone on the way could change the dump",
            expected="an https:// URL (plain http:// only on this machine)",
        )
    if scheme not in {"http", "https"} or not parts.hostname:
        raise SourceNotFound(f"{shown} cannot be read", expected=kinds(feed))
    login = None
    if parts.username is not None:
        login = (unquote(parts.username), unquote(parts.password or ""))
    return Remote(_without_login(parts), login, shown)


def _without_login(parts: SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))


def _path_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc.lower() not in {"", "localhost"}:
        raise SourceNotFound(
            f"{redact(url)} names a file of another machine",
            expected="file:///path/of/the/dump.csv",
        )
    return Path(unquote(parts.path))


def _local(path: Path, feed: Feed) -> LocalFile:
    if not path.exists():
        raise SourceNotFound(f"there is no file {path}", expected=kinds(feed))
    if not path.is_file():
        raise SourceNotFound(f"{path} is not a regular file", expected=kinds(feed))
    return LocalFile(path, str(path))
