"""What makes a CSV dump acceptable: its header, its rows and its last line. Pure functions.

It is UTF-8 CSV as RFC 4180 has it, with some leave: a byte order mark, CRLF line ends, columns
in any order, columns that nobody knows yet, no newline at the end. The rest is refused with the
line where it stands (the header is line 1).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loader.errors import DumpIncomplete, DumpRefused
from loader.feeds.feed import LINEAGE, Feed
from loader.formats.reading import BYTE_ORDER_MARK, MAX_ROW_BYTES
from loader.wording import count, shown, with_article

MAX_EXTRA_COLUMNS = 100
MAX_HEADER_BYTES = 1 << 16
# PostgreSQL cuts longer names off, and keeps these for itself.
_MAX_NAME_BYTES = 63
_RESERVED = {*LINEAGE, "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a dump, understood.

    Attributes:
        columns: the staging column of each field, in the order of the file.
        extra: those of them that the feed does not know, in the order of the file.
        warnings: a sentence for each thing that a person should know of.
    """

    columns: tuple[str, ...]
    extra: tuple[str, ...]
    warnings: tuple[str, ...]


def read_header(line: bytes, feed: Feed) -> Header:
    """Understand the first line of a dump, given without or with its line end.

    Raises:
        DumpRefused: not a header of this feed: the message says what it looks like instead.
    """
    form = feed.csv
    if form is None:
        raise ValueError(f"{feed.title} gives no CSV")
    text = decode(line.removeprefix(BYTE_ORDER_MARK), first_line=1).rstrip("\r\n")
    refuse_other_formats(text, feed)
    expected = f"a header with {', '.join(form.required)}"
    try:
        names = [name.strip() for name in next(csv.reader([text], strict=True), [])]
    except csv.Error as error:
        raise DumpRefused(f"line 1 is not CSV ({error})", expected=expected) from None
    if form.is_lowered:
        names = [name.lower() for name in names]
    missing = [column for column in form.required if column not in names]
    if len(missing) == len(form.required):
        raise DumpRefused(
            f"line 1 is not the header of {with_article(f'{feed.title} dump')}: {shown(text)}",
            expected=expected,
        )
    if missing:
        raise DumpRefused(f"the header lacks {', '.join(missing)}", expected=expected)
    repeated = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if repeated:
        raise DumpRefused(
            f"the header names {', '.join(map(shown, repeated))} more than once",
            expected="each column once",
        )
    return _with_extras(names, feed)


def _with_extras(names: Sequence[str], feed: Feed) -> Header:
    columns, extra, warnings = [], [], []
    for position, name in enumerate(names, start=1):
        if name in feed.columns:
            columns.append(name)
            continue
        usable = 0 < len(name.encode()) <= _MAX_NAME_BYTES and name.lower() not in _RESERVED
        column = name if usable else f"_column_{position}"
        if column in names and not usable:
            raise DumpRefused(f"the header names {column}", expected="names that the feed chose")
        columns.append(column)
        extra.append(column)
        as_column = "" if usable else f" as {column}"
        warnings.append(
            f"column {position} of the {feed.title} dump, {shown(name)}, is new: landed as text"
            f"{as_column} and used by nothing yet"
        )
    if len(extra) > MAX_EXTRA_COLUMNS:
        raise DumpRefused(
            f"the header has {len(extra)} unknown columns",
            expected=f"at most {MAX_EXTRA_COLUMNS} beside the {len(feed.columns)} of {feed.title}",
        )
    return Header(tuple(columns), tuple(extra), tuple(warnings))


def refuse_other_formats(text: str, feed: Feed) -> None:
    """Refuse what is no dump at all, each kind in its own words.

    Args:
        text: the start of the dump, as far as its first line goes.
        feed: whose dump it should be.

    Raises:
        DumpRefused: this is JSON that is not wanted, HTML or XML, a zip file, or blank.
    """
    start = text.lstrip()
    expected = f"the {feed.title} dump in {feed.formats}"
    if not start:
        raise DumpRefused("line 1 is blank", expected=expected)
    if start[0] in "{[":
        wanted = "an array of instruments" if feed.json else "CSV"
        raise DumpRefused(f"this is JSON, not {wanted}: {shown(start)}", expected=expected)
    if start[0] == "<":
        raise DumpRefused(
            f"this is an HTML or XML page, not {feed.formats}: {shown(start)}", expected=expected
        )
    if start.startswith("PK\x03\x04"):
        raise DumpRefused(
            f"this is a zip file (or a spreadsheet), not {feed.formats}",
            expected=f"{expected}, plain or in gzip form",
        )


def check_last_line(line: bytes, columns: Sequence[str], feed: Feed, line_number: int) -> None:
    """Check a last line that has no newline: it must not be the first part of a row.

    Args:
        line: the last line.
        columns: of the header, in the order of the file.
        feed: whose dump it is.
        line_number: of the last line.

    Raises:
        DumpIncomplete: it has fewer fields than the header, or its last field is none of the few
            words that its column may hold: a row that was cut inside its last field.
    """
    text = line.decode(errors="replace").removesuffix("\r")
    try:
        fields = next(csv.reader([text]), [])
    except csv.Error:
        return  # it finds its own words when the row is read
    if not text or (len(fields) != len(columns) and '"' in text):
        return  # only reading the rows tells: a quoted field may have begun lines before
    if len(fields) < len(columns):
        raise cut_short(len(fields), len(columns), line_number)
    words = feed.csv.words.get(columns[-1]) if feed.csv else None
    if words and fields[-1] not in words:
        raise cut_in_a_word(fields[-1], columns[-1], line_number)


def cut_short(seen: int, fields: int, line_number: int) -> DumpIncomplete:
    """The error for a file that ends in the middle of a row."""
    return DumpIncomplete(
        f"the dump was cut short: it ends in the middle of line {line_number}, after"
        f" {count(seen, 'field')}",
        expected=f"{fields} fields, or a newline at the end",
    )


def cut_in_a_word(seen: str, column: str, line_number: int) -> DumpIncomplete:
    """The error for a file that ends in the middle of its last field."""
    return DumpIncomplete(
        f"the dump was cut short: it ends with line {line_number} and without a newline, in"
        f" {column} {shown(seen)}, which is none that is known",
        expected="a newline at the end, if that line is whole",
    )


def ragged(seen: int, fields: int, line_number: int) -> DumpRefused:
    """The error for a row with too few or too many fields."""
    return DumpRefused(
        f"line {line_number} has {count(seen, 'field')}",
        expected=f"{fields} fields, as in the header",
    )


def blank_line(fields: int, line_number: int) -> DumpRefused:
    """The error for a blank line between rows."""
    return DumpRefused(f"line {line_number} is blank", expected=f"{fields} fields")


def empty_dump() -> DumpIncomplete:
    """The error for a dump of no bytes."""
    return DumpIncomplete("the dump is empty: not one byte", expected="a header and rows")


def no_rows() -> DumpIncomplete:
    """The error for a dump that is only a header."""
    return DumpIncomplete("the dump holds a header and no rows", expected="at least one row")


def endless_line() -> DumpRefused:
    """The error for a line that would fill the memory."""
    return DumpRefused(
        f"a line of the dump is longer than {MAX_ROW_BYTES:,} bytes", expected="one row a line"
    )


def not_csv(line_number: int, reason: str) -> DumpRefused:
    """The error for a row that cannot be read as CSV at all."""
    return DumpRefused(
        f"the row that starts on line {line_number} is not CSV: {reason}",
        expected="quotes that close, and no carriage return outside of them",
    )


def decode(data: bytes, first_line: int) -> str:
    """Decode whole lines.

    Args:
        data: the bytes, beginning at the start of a line.
        first_line: the number of that line.

    Raises:
        DumpRefused: a NUL, or bytes that are not UTF-8, with the line that holds them.
    """
    if b"\0" in data:
        line = first_line + data.count(b"\n", 0, data.index(b"\0"))
        raise DumpRefused(f"line {line} holds a NUL byte{_utf16(data)}", expected="UTF-8 text")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        raise DumpRefused(
            f"line {line} is not UTF-8: byte 0x{data[error.start]:02x}{_utf16(data)}",
            expected="UTF-8 text",
        ) from None


def _utf16(data: bytes) -> str:
    is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return ' (the file looks like UTF-16, a spreadsheet\'s "Unicode text")' if is_utf16 else ""
