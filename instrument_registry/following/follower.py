"""A thread that looks again after each publication: PostgreSQL or Redis says when, or the clock.

It outlives the database: while that is gone it goes on asking at the same pace, and listens again
as soon as it is back. A notification is only a hint to look; the next look finds what was missed.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from instrument_registry.errors import RegistryError
from instrument_registry.sources.postgres import connected
from instrument_registry.sources.redis_hashes import announcements

if TYPE_CHECKING:
    import psycopg

CHANNEL: Final = "instruments_published"
_STOP_SECONDS: Final = 10
# How long a stop may go unseen while Redis is listened to.
_BREATH_SECONDS: Final = 0.5
_log = logging.getLogger("instrument_registry")

Look = Callable[["psycopg.Connection | None"], None]


def _nowhere() -> None:
    return None


class Follower:
    """Calls `look` at once, after each publication, and at least every `poll_seconds`.

    Args:
        look: given an open connection that is in no transaction, or None without a database. What
            it raises is logged and kept in `last_error`, and it is called again.
        database_url: says where to listen, each time; None if there is no database now.
        poll_seconds: how long to wait at most.
        name: of the thread.
        redis_url: says where to listen while there is no database; None if there is none either.
    """

    def __init__(
        self,
        look: Look,
        database_url: Callable[[], str | None],
        poll_seconds: float,
        name: str,
        redis_url: Callable[[], str | None] = _nowhere,
    ) -> None:
        if not poll_seconds > 0:
            raise ValueError(f"poll_seconds is {poll_seconds!r}; expected a number above 0")
        self.last_error: Exception | None = None
        self._look = look
        self._database_url = database_url
        self._redis_url = redis_url
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._hinted = False
        self._woken, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until it has; twice does no harm. It may be called from `look`."""
        if not self._stopped.is_set():
            self._stopped.set()
            with suppress(OSError):
                os.write(self._wake, b"x")
        if self._thread is not threading.current_thread():
            self._thread.join(_STOP_SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether it still follows."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                database_url = self._database_url()
                if database_url is not None:
                    self._listen(database_url)
                elif (redis_url := self._redis_url()) is not None:
                    self._subscribe(redis_url)
                if not self._stopped.is_set():
                    self._look_once(None)
                    self._stopped.wait(self._poll_seconds)
        finally:
            os.close(self._woken)
            os.close(self._wake)

    def _listen(self, database_url: str) -> None:
        """Until it is stopped or the connection is lost."""
        try:
            with connected(database_url, autocommit=True) as connection:
                connection.add_notify_handler(self._hint)
                connection.execute(f"listen {CHANNEL}")
                while not self._stopped.is_set():
                    self._hinted = False
                    self._look_once(connection)
                    # One that came while we looked is not seen on the socket any more.
                    if not self._hinted:
                        waited_for = [connection.fileno(), self._woken]
                        select.select(waited_for, [], [], self._poll_seconds)
                    # What has come is read, and a lost connection found.
                    connection.execute("select")
        except RegistryError as error:
            self._failed(error)

    def _subscribe(self, redis_url: str) -> None:
        """Until it is stopped, the connection is lost, or there is a database."""
        try:
            with announcements(redis_url) as told:
                while not self._stopped.is_set() and self._database_url() is None:
                    self._look_once(None)
                    until = time.monotonic() + self._poll_seconds
                    while not self._stopped.is_set() and (left := until - time.monotonic()) > 0:
                        if told(min(left, _BREATH_SECONDS)):
                            break
        except RegistryError as error:
            self._failed(error)

    def _hint(self, _: object) -> None:
        self._hinted = True

    def _look_once(self, connection: psycopg.Connection | None) -> None:
        try:
            self._look(connection)
        except Exception as error:
            # Whatever it is, the next publication is due.
            self._failed(error)
            if connection is not None and connection.closed:
                raise RegistryError("the connection was lost") from error
        else:
            self.last_error = None

    def _failed(self, error: Exception) -> None:
        self.last_error = error
        _log.warning("registry_not_refreshed error=%s: %s", type(error).__name__, error)
