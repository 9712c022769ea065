"""One Redis server: read in bulk, written in one transaction.

The server holds the queued commands until EXEC, about 1 kB of memory a hash, and from version 7
on counts them against `client-query-buffer-limit` (1 GB by default): some two million hashes at
once. Beyond that it drops the connection, which leaves the old state whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, cast

import redis

from exporters.redis import marker as markers
from exporters.redis.address import open_server
from exporters.redis.failures import WriteConflict
from exporters.redis.marker import Marker
from exporters.redis.replies import Difference, HashReplies, ParsedReplies, TransactionReplies
from exporters.redis.rows import BLOCK, PREFIX, Rows, as_mapping, command, key_commands
from exporters.redis.wire import Wire
from exporters.redis.work import Work

_SCAN_COUNT = 5000
"""Keys that one SCAN looks at: a few milliseconds of the server's time."""


class Server:
    """A single server, as a context manager that closes its connections.

    Args:
        url: redis://, rediss:// or unix://.

    Raises:
        DestinationRefused: The URL is none.
    """

    def __init__(self, url: str) -> None:
        self._client = open_server(url)
        self._opened: Wire | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.close()
        self._client.connection_pool.disconnect()

    @property
    def _wire(self) -> Wire:
        if self._opened is None:
            self._opened = Wire(self._client.connection_pool.get_connection())
        return self._opened

    def marker(self) -> Marker | None:
        """The marker; empty if there is none, None if its key is no hash."""
        return read_marker(self._client)

    def keys(self) -> set[bytes]:
        """Every key that matches `instrument:*`."""
        found: set[bytes] = set()
        cursor = 0
        while True:
            cursor, batch = cast(
                tuple[int, list[bytes]],
                self._client.scan(cursor, match=PREFIX + b"*", count=_SCAN_COUNT),
            )
            found.update(batch)
            if cursor == 0:
                return found

    def compare(self, blocks: Iterable[Rows]) -> list[Difference]:
        """Read the hashes of the rows and list those that differ.

        Raises:
            ServerRefusal: The server refuses a read.
        """
        replies = HashReplies()

        def requests() -> Iterator[bytes]:
            for rows in blocks:
                replies.expect(rows)
                yield key_commands(b"HGETALL", rows.keys)

        self._wire.exchange(requests(), replies)
        return replies.differences

    def expiring(self, keys: Sequence[bytes]) -> list[bytes]:
        """Those of the keys that would expire one day."""
        if not self._may_expire():
            return []
        return [key for key, left in zip(keys, self._ask(b"TTL", keys), strict=True) if left >= 0]

    def existing(self, keys: Sequence[bytes]) -> list[bytes]:
        """Those of the keys that exist."""
        return [key for key, found in zip(keys, self._ask(b"EXISTS", keys), strict=True) if found]

    def write(self, work: Work) -> None:
        """Do all of the work in one MULTI/EXEC.

        Raises:
            ServerRefusal: A command was refused; nothing was written.
            WriteConflict: The marker is not the one that the plan saw; nothing was written.
        """
        self._watch(work)
        # Nothing is sent before it is granted: what follows a MULTI that is refused would be done.
        self._wire.exchange([command(b"MULTI")], ParsedReplies(1))
        replies = TransactionReplies()

        def requests() -> Iterator[bytes]:
            for commands, packed in work.pieces():
                replies.expect(commands)
                yield packed
            yield command(b"EXEC")

        self._wire.exchange(requests(), replies)

    def _watch(self, work: Work) -> None:
        """Make the transaction fail if another export has changed, or changes, the marker."""
        replies = ParsedReplies(2, keep_wrong_type=True)
        self._wire.exchange(
            [command(b"WATCH", markers.KEY), command(b"HGETALL", markers.KEY)], replies
        )
        held = replies.values[1]
        seen = as_mapping(held) if isinstance(held, list) else None
        if seen != work.held_marker:
            raise WriteConflict

    def _ask(self, verb: bytes, keys: Sequence[bytes]) -> list[Any]:
        replies = ParsedReplies(len(keys))
        requests = (
            key_commands(verb, keys[start : start + BLOCK]) for start in range(0, len(keys), BLOCK)
        )
        self._wire.exchange(requests, replies)
        return replies.values

    def _may_expire(self) -> bool:
        """False only if the server says that no key of this database expires."""
        try:
            keyspace = cast(dict[str, dict[str, int]], self._client.info("keyspace"))
        except redis.ResponseError:
            return True  # without the right to INFO: ask key by key
        number = self._client.connection_pool.connection_kwargs.get("db") or 0
        return bool(keyspace.get(f"db{number}", {}).get("expires", 1))


def read_marker(client: redis.Redis | redis.RedisCluster) -> Marker | None:
    """The marker; empty if there is none, None if its key is no hash."""
    try:
        return cast(dict[bytes, bytes], client.hgetall(markers.KEY.decode()))
    except redis.ResponseError as error:
        if "WRONGTYPE" in str(error):
            return None
        raise
