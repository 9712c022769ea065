"""Telling which of a feed's formats a dump is in, by its first byte that is not blank."""

from __future__ import annotations

from typing import Literal

from loader.errors import DumpRefused
from loader.feeds.feed import Feed
from loader.formats import csv_check
from loader.formats.reading import BYTE_ORDER_MARK
from loader.wording import shown

Format = Literal["csv", "json"]


def format_of(start: bytes, feed: Feed, *, is_all: bool = False) -> Format | None:
    """The format of a dump that starts like this; None where more bytes are needed to tell.

    Args:
        start: the first bytes.
        feed: whose dump it is.
        is_all: whether no more bytes will come.

    Raises:
        DumpRefused: the feed has no CSV form, and this does not start as JSON does.
    """
    if feed.json is None:
        return "csv"
    text = start.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith(b"["):
        return "json"
    # A whole line, for the words of a refusal.
    if b"\n" not in text and not is_all and len(start) <= csv_check.MAX_HEADER_BYTES:
        return None
    if not start:
        raise csv_check.empty_dump()
    line = text.partition(b"\n")[0][: csv_check.MAX_HEADER_BYTES].decode(errors="replace")
    csv_check.refuse_other_formats(line.rstrip("\r"), feed)
    if feed.csv is None:
        raise DumpRefused(
            f"this is not JSON: {shown(line)}", expected=f"the {feed.title} dump in JSON"
        )
    return "csv"
