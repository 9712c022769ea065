"""Keep the registries of a process at the last publication, without a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from instrument_registry import clock
from instrument_registry.errors import RegistryUnavailable
from instrument_registry.factory import made_registries
from instrument_registry.following.follower import Follower
from instrument_registry.records import Publication, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.settings import RegistrySettings, read_settings
from instrument_registry.sources import redis_hashes, snapshot
from instrument_registry.sources.loading import load
from instrument_registry.sources.postgres import newest_publication

if TYPE_CHECKING:
    import psycopg

POLL_SECONDS: Final = 30.0
_log = logging.getLogger("instrument_registry")

OnChange = Callable[[Publication], None]


def watch(
    on_change: OnChange | None = None,
    *,
    registries: Sequence[Registry] | None = None,
    settings: RegistrySettings | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> Watch:
    """Show each publication in the registries as soon as it is complete.

    PostgreSQL says when (`LISTEN instruments_published`); without it Redis does (`SUBSCRIBE
    instruments:updated`), and the snapshot file, or Redis's marker where there is no file, is asked
    every `poll_seconds`. A registry is swapped whole, and never back to an earlier publication.

    Args:
        on_change: called in the watching thread with each publication that is shown.
        registries: those to keep up to date; the process's shared ones if not given.
        settings: where to look; what the environment says if not given.
        poll_seconds: how long a change may go unseen if nobody says it.

    Returns:
        The watch; a context manager that stops it. `await` it for the next publication.
    """
    return Watch(on_change, registries, settings or read_settings(), poll_seconds)


class Watch:
    """A running watch; see `watch`.

    Attributes:
        publication: the last one that was shown by it; None before the first.
    """

    def __init__(
        self,
        on_change: OnChange | None,
        registries: Sequence[Registry] | None,
        settings: RegistrySettings,
        poll_seconds: float,
    ) -> None:
        self.publication: Publication | None = None
        self._told = [] if on_change is None else [on_change]
        self._registries = registries
        self._settings = settings
        self._changed = threading.Condition()
        self._ends: list[Callable[[], None]] = []
        self._follower = Follower(
            self._look, lambda: settings.database_url, poll_seconds, "instrument-registry-watch",
            lambda: settings.redis_url,
        )  # fmt: skip

    @property
    def last_error(self) -> Exception | None:
        """Why the last look failed; None if it did not."""
        return self._follower.last_error

    @property
    def is_running(self) -> bool:
        """Whether it still watches."""
        return self._follower.is_running

    def wait_for(self, number: int, timeout_seconds: float | None = None) -> bool:
        """Wait until that publication or a later one is shown; False if time ran out."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.publication is not None and (self.publication.number or 0) >= number,
                timeout_seconds,
            )

    async def changes(self) -> AsyncGenerator[Publication, None]:
        """Each publication that is shown from now on, in an event loop; ends when it is stopped."""
        import asyncio  # noqa: PLC0415 - most who watch have no event loop

        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Publication | None] = asyncio.Queue()

        def put(publication: Publication | None) -> None:
            # The loop may be gone before the watch is.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(queue.put_nowait, publication)

        def end() -> None:
            put(None)

        self._told.append(put)
        self._ends.append(end)
        try:
            while self.is_running and (publication := await queue.get()) is not None:
                yield publication
        finally:
            self._told.remove(put)
            self._ends.remove(end)

    def __await__(self) -> Generator[Any, None, Publication | None]:
        """The next publication that is shown; None if it is stopped before. The watch goes on."""
        return self._next().__await__()

    async def _next(self) -> Publication | None:
        changes = self.changes()
        try:
            return await anext(changes, None)
        finally:
            await changes.aclose()

    def stop(self) -> None:
        """Stop watching; the registries stay as they are."""
        self._follower.stop()
        for end in tuple(self._ends):
            end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _look(self, connection: psycopg.Connection | None) -> None:
        registries = made_registries() if self._registries is None else tuple(self._registries)
        number = self._newest(connection)
        behind = [one for one in registries if (one.publication.number or 0) < number]
        if not behind:
            return
        whole = any(one.registry_type is RegistryType.COMPREHENSIVE for one in behind)
        kind = RegistryType.COMPREHENSIVE if whole else RegistryType.INTRADAY_FOCUS
        # Of any age: it is newer than what is shown.
        contents = load(kind, self._settings, clock.now(), None)
        found = contents.publication.number or 0
        for registry in behind:
            is_focus = registry.registry_type is RegistryType.INTRADAY_FOCUS
            if found > (registry.publication.number or 0) and not (
                is_focus and contents.focus is None
            ):
                registry.show(contents)
        self._tell(contents.publication)

    def _newest(self, connection: psycopg.Connection | None) -> int:
        if connection is not None:
            return newest_publication(connection)
        try:
            return snapshot.publication_of(self._settings.snapshot_file).number or 0
        except RegistryUnavailable:
            if self._settings.snapshot_file.exists():
                raise
            # None was ever written: there is nothing to follow but the database, and Redis.
            redis_url = self._settings.redis_url
            return 0 if redis_url is None else redis_hashes.newest_publication(redis_url)

    def _tell(self, publication: Publication) -> None:
        with self._changed:
            self.publication = publication
            self._changed.notify_all()
        for told in tuple(self._told):
            try:
                told(publication)
            except Exception:  # noqa: BLE001 - it is logged, and the registries are swapped
                _log.exception("registry_change_not_taken publication=%s", publication.number)
