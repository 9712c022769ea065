"""What comes back over the wire, compared as bytes and parsed only where it differs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import hiredis

from exporters.redis.failures import PartlyExecuted, ServerRefusal, WriteConflict
from exporters.redis.rows import FIELDS, Rows, as_mapping, unpack

_HASH = b"*%d\r\n" % (2 * len(FIELDS))
_WRONG_TYPE = "WRONGTYPE"
_QUEUED = b"+QUEUED\r\n"
_MANY_QUEUED = _QUEUED * ((1 << 18) // len(_QUEUED) + 2)


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that does not hold its instrument.

    Attributes:
        key: The key.
        packed: What it should hold.
        held: What it holds; empty when it does not exist.
        is_hash: Whether it is a hash at all.
    """

    key: bytes
    packed: bytes
    held: Mapping[bytes, bytes]
    is_hash: bool = True

    @property
    def is_missing(self) -> bool:
        """Whether the key does not exist (Redis has no empty hashes)."""
        return self.is_hash and not self.held

    @property
    def needs_reset(self) -> bool:
        """Whether writing the ten fields would leave something foreign behind."""
        return not self.is_hash or not self.held.keys() <= unpack(self.packed).keys()

    def describe(self) -> str:
        """One line: the key and the fields that differ."""
        key = self.key.decode()
        if not self.is_hash:
            return f"{key}: not a hash"
        wanted = unpack(self.packed)
        if self.is_missing:
            return f"{key}: {_text(wanted[b'tradingsymbol'])}"
        names = [name for name in wanted if self.held.get(name) != wanted[name]]
        shown = [
            f"{name.decode()} {_text(self.held.get(name))} -> {_text(wanted[name])}"
            for name in names
        ]
        shown += [
            f"{name[:60].decode(errors='replace')} {_text(value)} -> none"
            for name, value in self.held.items()
            if name not in wanted
        ]
        return f"{key}: {', '.join(shown)}"


def _text(value: bytes | None) -> str:
    return "none" if value is None else repr(value[:60].decode(errors="replace"))


class HashReplies:
    """The replies to HGETALL of rows, compared with those rows."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self._expected: deque[Rows] = deque()
        self._at = 0
        self._buffer = bytearray()

    def expect(self, rows: Rows) -> None:
        """Say whose hashes are being asked for next."""
        if rows:
            self._expected.append(rows)

    @property
    def is_complete(self) -> bool:
        """Whether every hash asked for has come."""
        return not self._expected

    def feed(self, data: memoryview) -> None:
        """Compare what has come so far."""
        self._buffer += data
        while self._expected and self._take():
            self._at = 0
            self._expected.popleft()

    def _take(self) -> bool:
        """Compare the replies of the first block; false when more bytes are needed."""
        rows = self._expected[0]
        if self._at == 0:
            whole = _HASH + _HASH.join(rows.packed)
            if self._buffer.startswith(whole):
                del self._buffer[: len(whole)]
                return True
            if whole.startswith(self._buffer):
                return False
        return self._take_rows(rows)

    def _take_rows(self, rows: Rows) -> bool:
        place = 0
        while self._at < len(rows):
            expected = _HASH + rows.packed[self._at]
            length = len(expected)
            if not self._buffer.startswith(expected, place):
                if expected.startswith(self._buffer[place : place + length]):
                    break
                length = self._parse(place, rows.keys[self._at], rows.packed[self._at])
                if not length:
                    break
            place += length
            self._at += 1
        del self._buffer[:place]
        return self._at == len(rows)

    def _parse(self, place: int, key: bytes, packed: bytes) -> int:
        """Take one reply that is not the expected bytes; its length, or 0 if cut off."""
        flat, end = _first_reply(self._buffer, place)
        if end == 0:
            return 0
        if flat is None:
            self.differences.append(Difference(key, packed, {}, is_hash=False))
            return end - place
        held = as_mapping(flat)
        # A hash that Redis holds as a table comes in any order.
        if held != unpack(packed):
            self.differences.append(Difference(key, packed, held))
        return end - place


def _first_reply(buffer: bytearray, place: int) -> tuple[list[bytes] | None, int]:
    """One reply to HGETALL, from the place on.

    Returns:
        Its fields and values, or None for a key that is no hash; and where it ends, 0 if it is
        cut off.

    Raises:
        ServerRefusal: It is another error.
    """
    end = buffer.find(b"\r\n", place)
    if end < 0:
        return None, 0
    if buffer.startswith(b"-", place):
        text = buffer[place + 1 : end].decode(errors="replace")
        if not text.startswith(_WRONG_TYPE):
            raise ServerRefusal(text)
        return None, end + 2
    flat: list[bytes] = []
    count = int(buffer[place + 1 : end])
    place = end + 2
    for _ in range(count):
        end = buffer.find(b"\r\n", place)
        if end < 0:
            return None, 0
        start = end + 2
        place = start + int(buffer[place + 1 : end]) + 2
        if place > len(buffer):
            return None, 0
        flat.append(bytes(buffer[start : place - 2]))
    return flat, place


class ParsedReplies:
    """Replies parsed one by one; for those that are short.

    Args:
        count: How many replies there will be.
        keep_wrong_type: Keep the error of a key that is no hash as a value.
    """

    def __init__(self, count: int, *, keep_wrong_type: bool = False) -> None:
        self.values: list[Any] = []
        self._count = count
        self._keep_wrong_type = keep_wrong_type
        self._reader = hiredis.Reader(notEnoughData=self)

    @property
    def is_complete(self) -> bool:
        """Whether as many replies have come as were announced."""
        return len(self.values) == self._count

    def feed(self, data: memoryview) -> None:
        """Parse what has come.

        Raises:
            ServerRefusal: One of the replies is an error.
        """
        self._reader.feed(bytes(data))
        while (reply := self._reader.gets()) is not self:
            if isinstance(reply, hiredis.ReplyError) and not (
                self._keep_wrong_type and str(reply).startswith(_WRONG_TYPE)
            ):
                raise ServerRefusal(str(reply))
            self.values.append(reply)


class TransactionReplies:
    """The replies to every command queued after MULTI, and to EXEC."""

    def __init__(self) -> None:
        self.results: tuple[Any, ...] | None = None
        self._queued_size = 0
        self._seen = 0
        self._is_parsing = False
        self._reader = hiredis.Reader(notEnoughData=self)

    def expect(self, commands: int) -> None:
        """Say how many more commands are being queued."""
        self._queued_size += commands * len(_QUEUED)

    @property
    def is_complete(self) -> bool:
        """Whether the reply to EXEC has come."""
        return self.results is not None

    def feed(self, data: memoryview) -> None:
        """Check that everything was queued, then parse what EXEC says.

        Raises:
            ServerRefusal: A command was refused; the server discards the whole transaction.
            PartlyExecuted: A command failed at EXEC, after all had been queued.
            WriteConflict: A watched key was changed by somebody else.
        """
        if not self._is_parsing:
            early = data[: self._queued_size - self._seen]
            if early == _queued(self._seen, len(early)):
                self._seen += len(early)
                data = data[len(early) :]
            else:
                # From the start of the reply that differs.
                start = self._seen // len(_QUEUED) * len(_QUEUED)
                self._reader.feed(_queued(start, self._seen - start))
                self._is_parsing = True
        if data:
            self._parse(data)

    def _parse(self, data: memoryview) -> None:
        self._is_parsing = True
        self._reader.feed(bytes(data))
        while (reply := self._reader.gets()) is not self:
            if reply is None:
                raise WriteConflict
            if isinstance(reply, hiredis.ReplyError):
                raise ServerRefusal(str(reply))
            if isinstance(reply, list):
                self._finish(reply)

    def _finish(self, results: list[Any]) -> None:
        for result in results:
            if isinstance(result, hiredis.ReplyError):
                raise PartlyExecuted(str(result))
        self.results = tuple(results)


def _queued(start: int, length: int) -> bytes:
    """A stretch of the endless reply +QUEUED +QUEUED ..."""
    offset = start % len(_QUEUED)
    return _MANY_QUEUED[offset : offset + length]
