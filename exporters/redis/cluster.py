"""A Redis Cluster: written key by key, with the marker saying so meanwhile.

A transaction of a cluster reaches one slot only, so the hashes, which are spread over all of
them by their names, change one by one: each is old or new, never half. The marker says
`state=writing` before the first change and `complete` after the last; a reader that needs one
publication whole compares it before and after reading. redis-py follows slots that move.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, cast

import hiredis
import redis
from redis.cluster import ClusterPipeline, RedisCluster

from exporters.redis import marker as markers
from exporters.redis.address import open_cluster
from exporters.redis.failures import WriteConflict
from exporters.redis.marker import Marker
from exporters.redis.replies import Difference
from exporters.redis.rows import PREFIX, Rows, unpack
from exporters.redis.server import read_marker
from exporters.redis.work import Work, replace_marker

_SCAN_COUNT = 5000
_BATCH = 5000
"""Commands in one pipeline: over all nodes, some megabytes."""


class Cluster:
    """A cluster, as a context manager that closes its connections.

    Args:
        url: redis+cluster:// or rediss+cluster://.

    Raises:
        DestinationRefused: The URL is none.
        redis.RedisError: No node answers.
    """

    def __init__(self, url: str) -> None:
        self._client: RedisCluster = open_cluster(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def marker(self) -> Marker | None:
        """The marker; empty if there is none, None if its key is no hash."""
        return read_marker(self._client)

    def keys(self) -> set[bytes]:
        """Every key that matches `instrument:*`, on every primary."""
        found = self._client.scan_iter(
            match=PREFIX + b"*", count=_SCAN_COUNT, target_nodes=RedisCluster.PRIMARIES
        )
        return set(cast(Iterable[bytes], found))

    def compare(self, blocks: Iterable[Rows]) -> list[Difference]:
        """Read the hashes of the rows and list those that differ."""
        differences: list[Difference] = []
        for rows in blocks:
            for key, packed, held in zip(
                rows.keys, rows.packed, self._ask("HGETALL", rows.keys), strict=True
            ):
                if isinstance(held, redis.ResponseError):
                    if "WRONGTYPE" not in str(held):
                        raise held
                    differences.append(Difference(key, packed, {}, is_hash=False))
                elif held != unpack(packed):
                    differences.append(Difference(key, packed, held))
        return differences

    def expiring(self, keys: Sequence[bytes]) -> list[bytes]:
        """Those of the keys that would expire one day."""
        if not self._may_expire():
            return []
        return [key for key, left in zip(keys, self._ask("TTL", keys), strict=True) if left >= 0]

    def existing(self, keys: Sequence[bytes]) -> list[bytes]:
        """Those of the keys that exist."""
        return [key for key, found in zip(keys, self._ask("EXISTS", keys), strict=True) if found]

    def write(self, work: Work) -> None:
        """Do the work key by key, the marker last.

        Raises:
            WriteConflict: The marker is not the one that the plan saw; nothing was written.
        """
        if self.marker() != work.held_marker:
            raise WriteConflict
        if work.announcement is not None:
            self._run(_parsed(replace_marker({**work.marker, b"state": markers.WRITING})))
        for _, packed in work.entries():
            self._run(_parsed(packed))
        for _, packed in work.marking():
            self._run(_parsed(packed))
        if work.announcement is not None:
            self._client.publish(markers.CHANNEL.decode(), work.announcement)

    def _ask(self, verb: str, keys: Sequence[bytes]) -> Iterator[Any]:
        for start in range(0, len(keys), _BATCH):
            with self._pipeline() as pipeline:
                for key in keys[start : start + _BATCH]:
                    pipeline.execute_command(verb, key)
                yield from pipeline.execute(raise_on_error=False)

    def _run(self, commands: Iterable[Sequence[bytes]]) -> None:
        with self._pipeline() as pipeline:
            for verb, *arguments in commands:
                pipeline.execute_command(verb.decode(), *arguments)
            pipeline.execute()

    def _pipeline(self) -> ClusterPipeline:
        return self._client.pipeline()  # type: ignore[no-untyped-call,no-any-return]  # redis-py's

    def _may_expire(self) -> bool:
        """False only if every primary says that no key of it expires."""
        try:
            answers = self._client.info("keyspace", target_nodes=RedisCluster.PRIMARIES)
        except redis.ResponseError:
            return True  # without the right to INFO: ask key by key
        by_node = cast(dict[str, dict[str, dict[str, int]]], answers)
        return any(databases.get("db0", {}).get("expires", 0) for databases in by_node.values())


def _parsed(packed: bytes) -> Iterator[list[bytes]]:
    """Packed commands as lists of arguments."""
    reader = hiredis.Reader(notEnoughData=None)
    reader.feed(packed)
    while (arguments := reader.gets()) is not None:
        yield arguments
