r"""From the objects of a JSON dump to what PostgreSQL's `COPY ... (format text)` takes.

One column a key of the feed, always in the same order, whatever the order in the file. A key that
an object lacks, and a null, are ''; numbers stay as the broker wrote them; true and false are these
words. An object or array as the value of one of these keys is refused: the broker changed the
format of something that is used. A key that the feed does not know is not landed (the table is made
before the last object is seen): a warning names and counts it. The row's number is the element's.

COPY text format: https://www.postgresql.org/docs/current/sql-copy.html. The fields are parted by
tabs, which a JSON text can only hold as an escape: a piece without a backslash needs no care.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from loader.errors import DumpRefused
from loader.feeds.feed import Feed
from loader.formats.json_array import JsonArray, Piece
from loader.formats.json_templates import Templates, Values, picker
from loader.formats.reading import Block
from loader.wording import shown

MAX_UNKNOWN_KEYS = 100
_MAX_LAYOUTS = 4_096
_ABSENT = ("",)
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_WORDS = {True: "true", False: "false", None: ""}
_FLAT = "an array of flat objects"


@dataclass(slots=True)
class _Layout:
    """What to make of the objects with the same keys in the same order.

    Attributes:
        pick: from the values, and an absent one after them, to the fields of the row.
        unknown: the keys that the feed does not know.
        others: the fields that were something else than a text or a number in some object.
    """

    pick: Callable[[Values], Values]
    unknown: tuple[str, ...]
    others: tuple[int, ...] = ()

    def cells(self, values: Values, number: int) -> Sequence[str]:
        """The fields of a row, all of them text.

        Raises:
            _Bad: one is an object or an array.
        """
        cells = self.pick(values + _ABSENT)
        if not self.others:
            return cells
        texts = list(cells)
        for place in self.others:
            texts[place] = _text(cells[place], number)
        return texts

    def learn(self, values: Values) -> None:
        """Take note of the fields that are no text in this object."""
        cells = enumerate(self.pick(values + _ABSENT))
        odd = {place for place, cell in cells if not isinstance(cell, str)}
        self.others = tuple(sorted(odd.union(self.others)))


class _Bad(Exception):  # becomes DumpRefused where the byte is known
    """Something is wrong with an element.

    Attributes:
        number: which.
        seen: what, as the end of a sentence about it.
    """

    def __init__(self, number: int, seen: str) -> None:
        super().__init__(number, seen)
        self.number = number
        self.seen = seen


class JsonReading:
    """A JSON dump that is being read.

    Args:
        chunks: the uncompressed bytes, cut anywhere.
        feed: whose dump it is.
        load_id: what goes before each row, with the number of its element.
        is_exact: take no short cut.
    """

    delimiter = "\t"
    extra_columns: tuple[str, ...] = ()

    def __init__(
        self, chunks: Iterable[bytes], feed: Feed, load_id: int, *, is_exact: bool = False
    ) -> None:
        self.columns = feed.columns
        self._feed = feed
        self._start = f"{load_id}\t"
        self._is_exact = is_exact
        self._templates = Templates(self.columns)
        self._array = JsonArray(chunks, self._templates.rows, is_exact=is_exact)
        self._layouts: dict[tuple[str, ...], _Layout] = {}
        self._seen: set[str] = set()
        self._unknown: Counter[str] = Counter()
        self._first_seen: dict[str, int] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each key that the feed does not know; whole after the last block."""
        return tuple(
            f"key {shown(key)} of the {self._feed.title} dump is new: in {number:,} of"
            f" {self._array.number - 1:,} objects, first in element {self._first_seen[key]:,};"
            f" it was not landed"
            for key, number in self._unknown.items()
        )

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in file order, once.

        Raises:
            DumpRefused: not an array of flat objects with the feed's keys, whole and in UTF-8.
        """
        done = 0
        for piece in self._array.pieces():
            try:
                payload = self._payload(piece)
            except _Bad as bad:
                raise DumpRefused(
                    f"element {bad.number} (at byte {piece.byte_of(bad.number):,}) {bad.seen}",
                    expected=_FLAT,
                ) from None
            yield Block(payload, len(piece.elements), self._array.taken - done)
            done = self._array.taken
        form = self._feed.json
        seen = self._seen | self._templates.seen
        missing = [key for key in form.required if key not in seen] if form else []
        if missing:
            raise DumpRefused(
                f"no object of the {self._feed.title} dump has {', '.join(missing)}",
                expected=f"objects with {', '.join(self._feed.columns)}",
            )
        if self._array.taken > done:
            yield Block(b"", 0, self._array.taken - done)

    def _payload(self, piece: Piece) -> bytes:
        start, layouts = self._start, self._layouts
        if piece.is_short:
            rows = enumerate(piece.elements, piece.first)
            return "".join([f"{start}{number}\t{row}\n" for number, row in rows]).encode()
        is_plain = not self._is_exact and "\\" not in piece.text
        lines = []
        for number, element in enumerate(piece.elements, piece.first):
            if element.__class__ is not tuple:
                raise _Bad(number, f"is {_kind(element)}, not an object")
            keys, values = zip(*element, strict=True) if element else ((), ())
            layout = layouts.get(keys) or self._layout(keys, number)
            if layout.unknown:
                self._unknown.update(layout.unknown)
            cells = layout.cells(values, number)
            try:
                line = "\t".join(cells)
            except TypeError:  # the first true, false or null in this place
                layout.learn(values)
                cells = layout.cells(values, number)
                line = "\t".join(cells)
            if not is_plain:
                line = _careful(cells, number)
            lines.append(f"{start}{number}\t{line}\n")
        return "".join(lines).encode()

    def _layout(self, keys: tuple[str, ...], number: int) -> _Layout:
        known, repeated = set(self.columns), [key for key, n in Counter(keys).items() if n > 1]
        if repeated:
            raise _Bad(number, f"names {shown(repeated[0])} more than once")
        unknown = tuple(key for key in keys if key not in known)
        for key in unknown:
            self._first_seen.setdefault(key, number)
        if len(self._first_seen) > MAX_UNKNOWN_KEYS:
            raise _Bad(number, f"brings the number of unknown keys to more than {MAX_UNKNOWN_KEYS}")
        self._seen.update(keys)
        if len(self._layouts) >= _MAX_LAYOUTS:
            self._layouts.clear()
        layout = _Layout(picker(keys, self.columns), unknown)
        self._layouts[keys] = layout
        return layout


def _text(value: object, number: int) -> str:
    """A value as staging has it."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    raise _Bad(number, f"holds {_kind(value)} where a text or a number belongs")


def _careful(cells: Sequence[str], number: int) -> str:
    """The fields of a row, with what COPY takes for something else escaped."""
    plain = "".join(cells)
    if plain.isprintable() and "\\" not in plain:  # no control character, no lone surrogate
        return "\t".join(cells)
    if "\0" in plain:
        raise _Bad(number, "holds a NUL (\\u0000), which no text column can")
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise _Bad(number, "holds half of a surrogate pair, which is no character") from None
    return "\t".join([cell.translate(_ESCAPES) for cell in cells])


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "a text or a number"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "true or false"
    return "an object" if isinstance(value, tuple) else "an array"
