"""Which of Kite's tokens ingestion should stream, and when that changes.

The database says it (`public.instruments.is_active`, hand changes included). Without the database
it is the line INSTRUMENTS of `.env`, as the last export wrote it. Redis does not know what is
subscribed, only what is listed: it is asked which of `.env`'s tokens have left the market since.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from instrument_registry.errors import RegistryUnavailable, SourceRefused
from instrument_registry.following.follower import Follower
from instrument_registry.settings import RegistrySettings, read_settings
from instrument_registry.sources.postgres import connected

if TYPE_CHECKING:
    import psycopg

POLL_SECONDS: Final = 30.0
_ACTIVE: Final = """
    select instrument_token from public.instruments where is_active order by instrument_token
"""
_LINE: Final = re.compile(r"^[ \t]*(?:export[ \t]+)?INSTRUMENTS[ \t]*=(.*)$", re.MULTILINE)
_REDIS_SECONDS: Final = 10
_log = logging.getLogger("instrument_registry")


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """The tokens to stream.

    Attributes:
        tokens: ascending.
        source: `postgresql`, `env`, or `env+redis` where Redis was asked what is still listed.
        unlisted: tokens of `.env` that Redis no longer lists; they are not among `tokens`.
    """

    tokens: tuple[int, ...]
    source: str
    unlisted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """What is to be streamed now, and what is other than before.

    Attributes:
        tokens: all of them, ascending.
        added, removed: against the last change; at first everything is added.
        source: as in `Subscriptions`.
    """

    tokens: tuple[int, ...]
    added: tuple[int, ...]
    removed: tuple[int, ...]
    source: str


def active_tokens(settings: RegistrySettings | None = None) -> list[int]:
    """The tokens to stream, ascending; see `read_subscriptions`."""
    return list(read_subscriptions(settings).tokens)


def read_subscriptions(settings: RegistrySettings | None = None) -> Subscriptions:
    """What is to be streamed, and who says so.

    Raises:
        RegistryUnavailable: neither the database nor `.env` can say it; the message has both
            reasons.
        SourceRefused: `.env` has the line, but what it says are not tokens.
    """
    known = settings or read_settings()
    database_url = known.database_url
    if database_url is None:
        reason = known.no_database
    else:
        try:
            with connected(database_url) as connection:
                return _of_database(connection)
        except RegistryUnavailable as error:
            reason = str(error)
            _log.warning("subscriptions_from_env reason=%s", reason)
    return _of_env(known, reason)


def watch_subscriptions(
    on_change: Callable[[SubscriptionChange], None],
    *,
    settings: RegistrySettings | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> SubscriptionWatch:
    """Call back with what is to be streamed: at once, and whenever that changes.

    A publication is heard of at once; a change by hand at the next look. While nothing can be read,
    nothing is called back: the stream goes on as it is.

    Args:
        on_change: called in the watching thread. If it raises, the change is offered again.
        settings: where to look; what the environment says if not given.
        poll_seconds: how often to look.

    Returns:
        The watch; a context manager that stops it.
    """
    return SubscriptionWatch(on_change, settings or read_settings(), poll_seconds)


class SubscriptionWatch:
    """A running watch; see `watch_subscriptions`."""

    def __init__(
        self,
        on_change: Callable[[SubscriptionChange], None],
        settings: RegistrySettings,
        poll_seconds: float,
    ) -> None:
        self._on_change = on_change
        self._settings = settings
        self._last: tuple[int, ...] | None = None
        self._follower = Follower(
            self._look,
            lambda: settings.database_url,
            poll_seconds,
            "instrument-registry-subscriptions",
        )

    @property
    def last_error(self) -> Exception | None:
        """Why the last look failed; None if it did not."""
        return self._follower.last_error

    def stop(self) -> None:
        """Stop watching."""
        self._follower.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _look(self, connection: psycopg.Connection | None) -> None:
        if connection is None:
            found = read_subscriptions(self._settings)
        else:
            found = _of_database(connection)
        if found.tokens == self._last:
            return
        before, after = set(self._last or ()), set(found.tokens)
        self._on_change(
            SubscriptionChange(
                tokens=found.tokens,
                added=tuple(sorted(after - before)),
                removed=tuple(sorted(before - after)),
                source=found.source,
            )
        )
        self._last = found.tokens


def _of_database(connection: psycopg.Connection) -> Subscriptions:
    rows = connection.execute(_ACTIVE).fetchall()
    return Subscriptions(tuple(token for (token,) in rows), "postgresql")


def _of_env(settings: RegistrySettings, reason: str) -> Subscriptions:
    tokens = _tokens_of(settings.env_file, reason)
    redis_url = settings.redis_url
    if redis_url is None:
        return Subscriptions(tokens, "env")
    try:
        listed = _listed(redis_url, tokens)
    except RegistryUnavailable as error:
        _log.warning("subscriptions_not_checked reason=%s", error)
        return Subscriptions(tokens, "env")
    if not listed:
        # Flushed, or somebody else's: it says nothing about the market.
        return Subscriptions(tokens, "env")
    unlisted = tuple(token for token in tokens if token not in listed)
    return Subscriptions(tuple(token for token in tokens if token in listed), "env+redis", unlisted)


def _tokens_of(path: Path, reason: str) -> tuple[int, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryUnavailable(
            f"nobody can say what to stream: {reason}; {path} cannot be read: {error}"
        ) from error
    lines = _LINE.findall(text)
    if not lines:
        raise RegistryUnavailable(
            f"nobody can say what to stream: {reason}; {path} has no line INSTRUMENTS"
        )
    # The last one counts, as it does for everybody who reads such a file.
    parts = lines[-1].strip().strip("'\"").split(",")
    try:
        return tuple(sorted({int(part) for part in parts}))
    except ValueError:
        raise SourceRefused(
            f"the line INSTRUMENTS of {path} is not a list of tokens; expected 256265,260105,..."
        ) from None


def _listed(redis_url: str, tokens: Sequence[int]) -> set[int]:
    try:
        import redis  # noqa: PLC0415 - only who reads Redis needs it
    except ImportError as error:
        raise RegistryUnavailable("Redis needs the package redis") from error
    try:
        with redis.Redis.from_url(
            redis_url, socket_connect_timeout=_REDIS_SECONDS, socket_timeout=_REDIS_SECONDS
        ) as client:
            pipeline = client.pipeline(transaction=False)
            for token in tokens:
                pipeline.exists(f"instrument:{token}")
            found = pipeline.execute()
    except redis.RedisError as error:
        raise RegistryUnavailable(f"Redis cannot be read: {type(error).__name__}") from error
    return {token for token, is_there in zip(tokens, found, strict=True) if is_there}
