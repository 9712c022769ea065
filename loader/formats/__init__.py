"""The formats that dumps come in, told apart by their first byte."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from loader.feeds.feed import Feed
from loader.formats.csv_rows import CsvReading
from loader.formats.detection import format_of
from loader.formats.json_rows import JsonReading
from loader.formats.outline import Outline
from loader.formats.reading import Block, Reading

__all__ = ["Block", "Outline", "Reading", "read_dump"]


def read_dump(
    chunks: Iterable[bytes], feed: Feed, load_id: int, *, is_exact: bool = False
) -> Reading:
    """Read the start of a dump, and promise its rows.

    Args:
        chunks: the uncompressed bytes, cut anywhere.
        feed: whose dump it is.
        load_id: what goes before each row, with its number.
        is_exact: take no short cut.

    Raises:
        DumpRefused: the start is not that of a dump of this feed.
    """
    rest = iter(chunks)
    start, name = _start(rest, feed)
    whole = itertools.chain((start,) if start else (), rest)
    reading = JsonReading if name == "json" else CsvReading
    return reading(whole, feed, load_id, is_exact=is_exact)


def _start(chunks: Iterator[bytes], feed: Feed) -> tuple[bytes, str]:
    """As many bytes as tell the format, and its name."""
    start = b""
    while (name := format_of(start, feed)) is None:
        chunk = next(chunks, b"")
        if not chunk:
            return start, format_of(start, feed, is_all=True) or "csv"
        start += chunk
    return start, name
