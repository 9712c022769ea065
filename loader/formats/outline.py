"""What can be told of a dump while its bytes pass by, before any row is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from loader.errors import DumpIncomplete, DumpRefused
from loader.feeds.feed import Feed
from loader.formats import csv_check
from loader.formats.detection import Format, format_of
from loader.formats.json_array import no_elements
from loader.formats.reading import BYTE_ORDER_MARK
from loader.wording import shown

_KEPT = 1 << 16


class Outline:
    """Hash, size and format of a dump, and whether its start and its end look right.

    A wrong file is refused at its start, not after half a gigabyte of it.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._digest = hashlib.sha256()
        self._start: bytes | None = b""  # None once the start is known to be good
        self._format: Format | None = None
        self._columns: tuple[str, ...] = ()
        self._lines = 0
        self._end = b""
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of all bytes so far."""
        return self._digest.hexdigest()

    @property
    def format(self) -> Format:
        """The dump's format."""
        return self._format or "csv"

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass the chunks on, taking note of them."""
        for chunk in chunks:
            self.take(chunk)
            yield chunk

    def take(self, chunk: bytes) -> None:
        """Take note of some bytes.

        Raises:
            DumpRefused: the start is not that of a dump of this feed.
        """
        self._digest.update(chunk)
        self.size += len(chunk)
        if self._format != "json":
            self._lines += chunk.count(b"\n")
        self._end = (self._end + chunk)[-_KEPT:]
        if self._start is not None:
            self._start += chunk
            self._check_start(is_all=False)

    def close(self) -> None:
        """Check what the end of the dump tells.

        Raises:
            DumpRefused: no bytes, no rows, a row cut in two, an array that is not closed.
        """
        if not self.size:
            raise csv_check.empty_dump()
        if self._start is not None:
            self._check_start(is_all=True)
        if self._format == "json":
            self._check_last_byte()
            return
        last = self._end.rpartition(b"\n")[2]
        if not self._lines or (self._lines == 1 and not last):
            raise csv_check.no_rows()
        if len(last) < _KEPT:
            csv_check.check_last_line(last, self._columns, self._feed, self._lines + 1)

    def _check_start(self, *, is_all: bool) -> None:
        start = self._start or b""
        self._format = self._format or format_of(start, self._feed, is_all=is_all)
        if self._format == "csv":
            if is_all or b"\n" in start or len(start) > csv_check.MAX_HEADER_BYTES:
                line = start.partition(b"\n")[0][: csv_check.MAX_HEADER_BYTES]
                self._columns = csv_check.read_header(line, self._feed).columns
                self._start = None
        elif self._format == "json":
            inside = start.removeprefix(BYTE_ORDER_MARK).lstrip()[1:].lstrip()
            if inside or is_all or len(start) > _KEPT:
                self._check_first_element(inside)
                self._start = None

    def _check_first_element(self, inside: bytes) -> None:
        if inside.startswith(b"]"):
            raise no_elements()
        if inside and not inside.startswith(b"{"):
            text = inside[:_KEPT].decode(errors="replace")
            raise DumpRefused(
                f"element 1 is not an object: {shown(text)}", expected="an array of objects"
            )

    def _check_last_byte(self) -> None:
        end = self._end.rstrip()
        if not end.endswith(b"]"):
            tail = end[-20:].decode(errors="replace")
            raise DumpIncomplete(
                f"the dump was cut short, or something follows it: its {self.size:,} bytes end"
                f" with {shown(tail)}",
                expected="the bracket that closes the array",
            )
