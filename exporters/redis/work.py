"""What is to be written, and its commands in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from exporters.redis import marker as markers
from exporters.redis.marker import Marker
from exporters.redis.rows import BLOCK, Rows, command, hset_commands, key_commands

Piece = tuple[int, bytes]
"""A number of commands, and their bytes."""


@dataclass(frozen=True, slots=True)
class Work:
    """The writes of one export.

    Attributes:
        put: The hashes to write, all ten fields of each.
        reset: Keys among them that hold something foreign and are deleted first.
        remove: Keys of instruments that left.
        touch: Keys that are right and whose expiry has to be set, or taken away.
        ttl_seconds: After how long keys expire; None for never.
        marker: The marker to write; None if it is right.
        held_marker: The marker that the plan saw; None if the key is no hash.
        announcement: What to tell subscribers; None when no entry changes.
    """

    put: Iterable[Rows]
    reset: Sequence[bytes]
    remove: Sequence[bytes]
    touch: Sequence[bytes]
    ttl_seconds: int | None
    marker: Marker
    held_marker: Marker | None
    announcement: bytes | None

    def pieces(self) -> Iterator[Piece]:
        """All commands, in order, some hundreds of kB at a time."""
        yield from self.entries()
        yield from self.marking()
        if self.announcement is not None:
            yield 1, command(b"PUBLISH", markers.CHANNEL, self.announcement)

    def entries(self) -> Iterator[Piece]:
        """The commands that make the hashes right; each names one key."""
        for keys in _batches([*self.remove, *self.reset]):
            yield len(keys), key_commands(b"DEL", keys)
        for rows in self.put:
            yield len(rows), hset_commands(rows)
            if self.ttl_seconds is not None:
                yield len(rows), self._expiry(rows.keys)
        for keys in _batches(self.touch):
            yield len(keys), self._expiry(keys)

    def marking(self) -> Iterator[Piece]:
        """The commands that make the marker right."""
        # In a cluster, it has said 'writing' since the first entry.
        if self.marker != self.held_marker or self.announcement is not None:
            yield 2, replace_marker(self.marker)
        if self.ttl_seconds is not None:
            yield 1, self._expiry([markers.KEY])

    def _expiry(self, keys: Sequence[bytes]) -> bytes:
        if self.ttl_seconds is None:
            return key_commands(b"PERSIST", keys)
        return key_commands(b"EXPIRE", keys, b"%d" % self.ttl_seconds)


def replace_marker(marker: Marker) -> bytes:
    """The two commands that put a marker in the place of whatever is there."""
    values = itertools.chain.from_iterable(marker.items())
    return command(b"DEL", markers.KEY) + command(b"HSET", markers.KEY, *values)


def _batches(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), BLOCK):
        yield keys[start : start + BLOCK]
