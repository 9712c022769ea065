r"""From the bytes of a dump to what PostgreSQL's `COPY ... (format text)` takes.

Two ways, one result. Lines with nothing special in them need no CSV parser: their commas are
counted and become tabs. Everything else (a quote, a backslash, a tab, a lone carriage return, a
wrong number of commas) goes to `csv.reader`, which is exact and finds the words for what is wrong.

COPY text format: https://www.postgresql.org/docs/current/sql-copy.html (fields are parted by tabs,
`\\`, `\t`, `\n` and `\r` are escaped; an empty field is an empty string, never a NULL).
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loader import check
from loader.errors import DumpRefused
from loader.feeds.feed import Feed

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_SPECIAL = (b'"', b"\\", b"\t")


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows, ready for COPY.

    Attributes:
        payload: whole lines of COPY's text format.
        rows: how many.
        size: the uncompressed bytes of the dump that they were made of.
    """

    payload: bytes
    rows: int
    size: int


def read_dump(
    chunks: Iterable[bytes], feed: Feed, load_id: int
) -> tuple[check.Header, Iterator[Block]]:
    """Read the header of a dump, and promise its rows.

    Args:
        chunks: the uncompressed bytes, cut anywhere.
        feed: whose dump it is.
        load_id: what goes before each row, with the number of the line where the row starts.

    Returns:
        The header, and the blocks of rows in file order: `_load_id`, `_line_number`, then the
        fields in the file's order of columns.

    Raises:
        DumpRefused: now for the header, or while the blocks are read.
    """
    lines = _whole_lines(chunks)
    first = next(lines, b"")
    line, newline, rest = first.partition(b"\n")
    if not first:
        raise check.empty_dump()
    header = check.read_header(line, feed)
    rows = _RowReader(len(header.columns), load_id)
    return header, rows.read(_chain(rest, lines), len(line) + len(newline))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut the stream anew so that each piece but the last ends with a newline."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        size += len(chunk)
        if size > check.MAX_LINE_BYTES:
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

    def __init__(self, width: int, load_id: int) -> None:
        self._width = width
        self._load_id = load_id
        self._line = 2  # the number of the next line; the header is line 1
        self._blank: int | None = None  # the first blank line since the last row
        self._pieces: Iterator[bytes] = iter(())

    def read(self, pieces: Iterator[bytes], header_size: int) -> Iterator[Block]:
        self._pieces = pieces
        total = 0
        for piece in pieces:
            start = self._line
            text = check.decode(piece, start)
            lines = self._plain_lines(piece, text)
            if lines is not None:
                block = self._fast(lines, len(piece) + header_size)
            else:
                block = self._exact(text, len(piece) + header_size)
            header_size = 0
            total += block.rows
            yield block
        if not total:
            raise check.no_rows()

    def _plain_lines(self, piece: bytes, text: str) -> list[str] | None:
        """The lines, if cutting them at their commas is all that they need."""
        if any(special in piece for special in _SPECIAL):
            return None
        if b"\r" in piece:
            text = text.replace("\r\n", "\n")
            if "\r" in text:
                return None
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        commas = self._width - 1
        if self._blank is not None or any(line.count(",") != commas for line in lines):
            return None
        # With one column a blank line has the right number of commas.
        return lines if commas else None

    def _fast(self, lines: list[str], size: int) -> Block:
        start, self._line = self._line, self._line + len(lines)
        prefix = f"{self._load_id},"
        numbered = [f"{prefix}{number},{line}" for number, line in enumerate(lines, start)]
        numbered.append("")
        return Block("\n".join(numbered).replace(",", "\t").encode(), len(lines), size)

    def _exact(self, text: str, size: int) -> Block:
        supply = _Lines(text, self._pieces, self._line)
        reader = csv.reader(supply, strict=True)
        rows: list[str] = []
        while supply:
            start = self._line
            try:
                fields = next(reader)
            except csv.Error as error:
                raise _refusal(error, start) from None
            self._line = supply.next_line
            if self._is_row(fields, start, supply):
                cells = "\t".join([field.translate(_ESCAPES) for field in fields])
                rows.append(f"{self._load_id}\t{start}\t{cells}\n")
        return Block("".join(rows).encode(), len(rows), size + supply.pulled)

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


def _refusal(error: csv.Error, line: int) -> DumpRefused:
    if "unexpected end" in str(error):
        return check.not_csv(line, "a quoted field is still open where the dump ends")
    if "new-line" in str(error):
        return check.not_csv(line, "a carriage return stands outside of quotes")
    return check.not_csv(line, str(error))


class _Lines:
    """The lines of a piece for `csv.reader`, going on into the next pieces inside a quoted field.

    True while the current piece has lines left, that is, while there is a row to read.
    """

    def __init__(self, text: str, pieces: Iterator[bytes], first_line: int) -> None:
        self._left = deque(_split(text))
        self._pieces = pieces
        self.next_line = first_line
        self.pulled = 0
        self._last = ""

    def __bool__(self) -> bool:
        return bool(self._left)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._left:
            piece = next(self._pieces, b"")
            self.pulled += len(piece)
            self._left.extend(_split(check.decode(piece, self.next_line)))
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
