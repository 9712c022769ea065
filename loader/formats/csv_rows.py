r"""From the bytes of a CSV dump to what PostgreSQL's `COPY ... (format text, delimiter ',')` takes.

Three ways, one result. Lines without anything special in them are already what COPY takes and are
only numbered; fields that are merely quoted lose their quotes first; whatever is left (a comma or a
newline inside quotes, a backslash, a lone carriage return, commas that do not add up) goes to
`csv.reader`, which is exact and finds the words for what is wrong, in pieces so small that a few
such rows do not slow the rest down.

COPY text format: https://www.postgresql.org/docs/current/sql-copy.html (backslash, newline,
carriage return and the delimiter are escaped; an empty field is an empty string, never a NULL).
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from loader.errors import DumpRefused
from loader.feeds.feed import Feed
from loader.formats import csv_check as check
from loader.formats.reading import MAX_ROW_BYTES, Block

_ESCAPES = str.maketrans({"\\": "\\\\", ",": "\\,", "\n": "\\n", "\r": "\\r"})
_SMALL = 1 << 12


class CsvReading:
    """A CSV dump that is being read.

    Two ragged rows whose commas even out may pass as they are, for COPY to refuse: reading again
    with `is_exact` then says which line it was.

    Args:
        chunks: the uncompressed bytes, cut anywhere.
        feed: whose dump it is.
        load_id: what goes before each row, with the number of the line where the row starts.
        is_exact: take no short cut.

    Raises:
        DumpRefused: the first line is not the header of this feed.
    """

    delimiter = ","

    def __init__(
        self, chunks: Iterable[bytes], feed: Feed, load_id: int, *, is_exact: bool = False
    ) -> None:
        pieces = _whole_lines(chunks)
        first = next(pieces, b"")
        line, newline, self._rest = first.partition(b"\n")
        if not first:
            raise check.empty_dump()
        header = check.read_header(line, feed)
        self.columns, self.extra_columns = header.columns, header.extra
        self.warnings = header.warnings
        self._header_size = len(line) + len(newline)
        self._rows = _RowReader(len(header.columns), load_id, pieces, is_exact=is_exact)

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in file order, once.

        Raises:
            DumpRefused: a row is cut short, ragged, blank or not CSV, or there is none.
        """
        return self._rows.read(self._rest, self._header_size)


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut the stream anew so that each piece but the last ends with a newline."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        size += len(chunk)
        if size > MAX_ROW_BYTES:
            raise check.endless_line()
        if not end:
            held.append(chunk)
            continue
        yield b"".join((*held, chunk[:end]))
        held, size = [chunk[end:]], len(chunk) - end
    if size:
        yield b"".join(held)


class _RowReader:
    """Turns pieces of whole lines into blocks, keeping count of the lines."""

    def __init__(
        self, width: int, load_id: int, pieces: Iterator[bytes], *, is_exact: bool
    ) -> None:
        self._width = width
        self._start = f"{load_id},"
        self._pieces = pieces
        self._is_exact = is_exact
        self._waiting: list[str] = []  # texts that were cut smaller, the next one last
        self._line = 2  # the number of the next line; the header is line 1
        self._blank: int | None = None  # the first blank line since the last row
        self._size = 0  # bytes read since the last block

    def read(self, first: bytes, header_size: int) -> Iterator[Block]:
        self._size = header_size
        if first:
            self._waiting.append(self._decode(first, self._line))
        total = 0
        while text := self._next_text(self._line):
            payload, rows = self._plain(text) or ("", 0)
            if not rows and self._cut(text):
                continue
            if not rows:
                payload, rows = self._exact(text)
            total += rows
            yield Block(payload.encode(), rows, self._size)
            self._size = 0
        if not total:
            raise check.no_rows()

    def _next_text(self, first_line: int) -> str:
        """The text that goes on from line `first_line`; empty at the end of the dump."""
        if self._waiting:
            return self._waiting.pop()
        return self._decode(next(self._pieces, b""), first_line)

    def _decode(self, piece: bytes, first_line: int) -> str:
        self._size += len(piece)
        return check.decode(piece, first_line)

    def _cut(self, text: str) -> bool:
        """Put the two halves of a text back, to find out which of them is plain."""
        middle = text.find("\n", len(text) // 2) + 1
        if self._is_exact or len(text) <= _SMALL or middle in {0, len(text)}:
            return False
        self._waiting += [text[middle:], text[:middle]]
        return True

    def _plain(self, text: str) -> tuple[str, int] | None:
        """The lines numbered, if that (and taking quotes off) is all that they need."""
        if self._is_exact or self._blank is not None or "\\" in text:
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        bare = _unquoted(text) if '"' in text else text
        if bare is None or "\r" in bare:
            return None
        lines = bare.removesuffix("\n").split("\n")
        rows = len(lines)
        if bare.count(",") != (self._width - 1) * rows:
            return None
        first, self._line = self._line, self._line + rows
        start = f"\n{self._start}"
        # Two lists woven into one: no line is copied before the one join.
        woven = [""] * (2 * rows)
        woven[0::2] = [f"{start}{number}," for number in range(first, first + rows)]
        woven[1::2] = lines
        return "".join(woven)[1:] + "\n", rows

    def _exact(self, text: str) -> tuple[str, int]:
        supply = _Lines(text, self._next_text, self._line)
        reader = csv.reader(supply, strict=True)
        rows: list[str] = []
        while supply:
            line = self._line
            try:
                fields = next(reader)
            except csv.Error as error:
                raise _refusal(error, line) from None
            self._line = supply.next_line
            if self._is_row(fields, line, supply):
                rows.append(f"{self._start}{line},{_escaped(fields)}\n")
        return "".join(rows), len(rows)

    def _is_row(self, fields: list[str], line: int, supply: _Lines) -> bool:
        """Whether this is a row; False for a blank line, which only the end may have."""
        if not fields:
            self._blank = self._blank or line
            return False
        if self._blank is not None:
            raise check.blank_line(self._width, self._blank)
        if len(fields) < self._width and supply.is_cut_short:
            raise check.cut_short(len(fields), self._width, line)
        if len(fields) != self._width:
            raise check.ragged(len(fields), self._width, line)
        return True


def _unquoted(text: str) -> str | None:
    """The text without its quotes, if each pair of them just encloses a whole plain field."""
    parts = text.split('"')
    outside, inside = parts[0::2], "".join(parts[1::2])
    pairs = len(parts) // 2
    if len(parts) % 2 == 0 or "," in inside or "\n" in inside:
        return None
    # One quote for each pair, which must stand between the ends of a field.
    places = "\n" + '"'.join(outside) + "\n"
    opened = places.count(',"') + places.count('\n"')
    closed = places.count('",') + places.count('"\n')
    return "".join(parts) if opened == closed == pairs else None


def _escaped(fields: list[str]) -> str:
    cells = ",".join(fields)
    is_plain = cells.count(",") == len(fields) - 1 and not any(c in cells for c in "\\\n\r")
    return cells if is_plain else ",".join([field.translate(_ESCAPES) for field in fields])


def _refusal(error: csv.Error, line: int) -> DumpRefused:
    if "unexpected end" in str(error):
        return check.not_csv(line, "a quoted field is still open where the dump ends")
    if "new-line" in str(error):
        return check.not_csv(line, "a carriage return stands outside of quotes")
    return check.not_csv(line, str(error))


class _Lines:
    """The lines of a text for `csv.reader`, going on into the next text inside a quoted field.

    True while the current text has lines left, that is, while there is a row to read.
    """

    def __init__(self, text: str, more: Callable[[int], str], first_line: int) -> None:
        self._left = deque(_split(text))
        self._more = more
        self._last = ""
        self.next_line = first_line

    def __bool__(self) -> bool:
        return bool(self._left)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._left:
            self._left.extend(_split(self._more(self.next_line)))
        if not self._left:
            raise StopIteration
        self.next_line += 1
        self._last = self._left.popleft()
        return self._last

    @property
    def is_cut_short(self) -> bool:
        """Whether the line read last is the end of the file, with no newline."""
        return not self._last.endswith("\n")


def _split(text: str) -> list[str]:
    """Cut after newlines only: `str.splitlines` also cuts at form feeds and other separators."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])
