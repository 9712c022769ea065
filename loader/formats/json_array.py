"""Cutting a stream of JSON, one array of many objects, into pieces that are parsed one by one.

JSON has no line that could be counted, so elements are: the first is element 1. Bytes are counted
from 0, uncompressed. Most of a dump is cut after the last `}` that has come, and taken as a whole
by the caller's short cut or else by the C scanner of Python's json. Where such a piece does not
parse (that `}` stands inside a text or a nested object, or something is wrong) its elements are
taken one by one, which is exact and finds what is wrong and where; what is not whole yet waits for
more bytes.

Format: RFC 8259. Beyond it, a byte order mark is skipped. Python's scanner takes `NaN` and
`Infinity`, which are refused here. Objects come as tuples of pairs, so that no repeated key is
lost, and numbers as the text that the broker wrote (`1.0E7` stays `1.0E7`), which no faster parser
gives.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from loader.errors import DumpIncomplete, DumpRefused
from loader.formats.reading import MAX_ROW_BYTES
from loader.wording import shown

_BLANKS = " \t\r\n"
_IS_BLANK = re.compile(rf"[{_BLANKS}]*")
# What a value may end in that goes on in bytes that have not come yet.
_UNFINISHED = re.compile(r"t|tr|tru|f|fa|fal|fals|n|nu|nul|-|\.|[eE][+-]?|", re.ASCII)
_LONGEST_ESCAPE = len("\\ud83d\\ude00")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=tuple,
    parse_float=str,
    parse_int=str,
    parse_constant=_refuse_constant,
)


class _Wants(enum.Enum):
    """What may come next in the stream."""

    OPENING = "the [ that opens the array"
    FIRST = "an object"
    ELEMENT = "an object after the comma"
    COMMA = "a comma or the ] that closes the array"
    NOTHING = "nothing after the array"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some successive elements of the array.

    Attributes:
        elements: objects as tuples of (key, value), anything else as Python's json gives it; or
            what the short cut made of them.
        is_short: whether the short cut was taken.
        first: the number of the first of them.
        text: where they stand, beginning with the first.
        start: the byte in the dump at which `text` begins.
    """

    elements: Sequence[Any]
    first: int
    text: str
    start: int
    is_short: bool = False

    def byte_of(self, number: int) -> int:
        """The byte at which an element of this piece starts."""
        at = 0
        for _ in range(number - self.first):
            _, at = _DECODER.raw_decode(self.text, at)
            at = _skip(self.text, _skip(self.text, at) + 1)
        return self.start + len(self.text[:at].encode())


class JsonArray:
    """The array of a dump, read piece by piece.

    Attributes:
        taken: how many bytes of the dump the pieces so far went through.
        number: of the element that comes next.

    Args:
        chunks: the uncompressed bytes, cut anywhere.
        short_cut: given a list of elements without its brackets, returns something for each of
            them, or None where it cannot tell.
        is_exact: take no short cut, and every element by itself.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        short_cut: Callable[[str], Sequence[Any] | None],
        *,
        is_exact: bool = False,
    ) -> None:
        self._short_cut = short_cut
        self._chunks = chunks
        self._is_exact = is_exact
        self._held = b""  # bytes from `taken` on
        self._wants = _Wants.OPENING
        self.taken = 0
        self.number = 1

    def pieces(self) -> Iterator[Piece]:
        """Yield the elements in file order, once.

        Raises:
            DumpRefused: not a JSON array, cut short, empty, or followed by something else.
        """
        for chunk in self._chunks:
            self._held += chunk
            end = self._held.rfind(b"}") + 1 if b"}" in chunk else 0
            if end:
                yield from self._take(end)
            if len(self._held) > MAX_ROW_BYTES:
                raise DumpRefused(
                    f"element {self.number} (at byte {self.taken:,}) does not end within"
                    f" {MAX_ROW_BYTES:,} bytes",
                    expected="one flat object an element",
                )
        yield from self._take(len(self._held))
        if self._wants is not _Wants.NOTHING:
            raise self._cut_short()

    def _take(self, end: int) -> Iterator[Piece]:
        text = self._decode(self._held[:end])
        piece = None if self._is_exact else self._whole(text)
        if piece:
            self._held = self._held[end:]
            self.taken += end
        else:
            piece, left = self._one_by_one(text)
            size = end - len(left.encode())
            self._held = self._held[size:]
            self.taken += size
        if piece.elements:
            yield piece

    def _whole(self, text: str) -> Piece | None:
        """The text as one piece, if it is a list of whole elements."""
        at = _skip(text, 0)
        if self._wants is _Wants.COMMA and text.startswith(",", at):
            at = _skip(text, at + 1)
        elif self._wants is not _Wants.ELEMENT:
            return None
        body = text[at:]
        elements = self._short_cut(body)
        is_short = elements is not None
        if elements is None:
            try:
                elements = _DECODER.decode(f"[{body}]")
            except (ValueError, RecursionError):
                return None
        if not elements:
            return None
        start = self.taken + len(text[:at].encode())
        piece = Piece(elements, self.number, body, start, is_short)
        self.number += len(elements)
        self._wants = _Wants.COMMA
        return piece

    def _one_by_one(self, text: str) -> tuple[Piece, str]:
        """The whole elements of the text, and what is left of it."""
        elements: list[Any] = []
        first, start, at = self.number, 0, 0
        if self._wants is _Wants.OPENING and not self.taken:
            at = len(text) - len(text.removeprefix("\ufeff"))
        while (at := _skip(text, at)) < len(text):
            if self._wants in {_Wants.FIRST, _Wants.ELEMENT} and text[at] != "]":
                start = start if elements else at
                try:
                    element, at = _DECODER.raw_decode(text, at)
                except (ValueError, RecursionError) as error:
                    if _is_unfinished(error, text):
                        break
                    raise self._malformed(error, text, at) from None
                elements.append(element)
                self.number += 1
                self._wants = _Wants.COMMA
            else:
                self._step(text, at)
                at += 1
        before = self.taken + len(text[:start].encode())
        return Piece(elements, first, text[start:at], before), text[at:]

    def _step(self, text: str, at: int) -> None:
        """Go past a bracket or a comma."""
        seen = text[at]
        if self._wants is _Wants.FIRST:
            raise no_elements()
        steps = {
            (_Wants.OPENING, "["): _Wants.FIRST,
            (_Wants.COMMA, ","): _Wants.ELEMENT,
            (_Wants.COMMA, "]"): _Wants.NOTHING,
        }
        wants = steps.get((self._wants, seen))
        if wants is None:
            where = f"byte {self._byte(text, at):,}"
            after = f", after element {self.number - 1}," if self.number > 1 else ""
            raise DumpRefused(
                f"at {where}{after} stands {shown(text[at : at + 20])}",
                expected=self._wants.value,
            )
        self._wants = wants

    def _malformed(self, error: Exception, text: str, at: int) -> DumpRefused:
        where, reason = at, str(error) or type(error).__name__
        if isinstance(error, json.JSONDecodeError):
            where, reason = error.pos, error.msg
        if isinstance(error, RecursionError):
            reason = "it is nested too deeply"
        return DumpRefused(
            f"element {self.number} (at byte {self._byte(text, at):,}) is not JSON: {reason},"
            f" at byte {self._byte(text, where):,}",
            expected="an object of texts and numbers",
        )

    def _cut_short(self) -> DumpIncomplete:
        if self._wants is _Wants.OPENING:
            return DumpIncomplete("the dump is blank", expected=self._wants.value)
        where = f"in the middle of element {self.number}, which starts at byte {self.taken:,}"
        if not self._held.strip():
            where = f"at byte {self.taken:,}, after element {self.number - 1}"
        return DumpIncomplete(
            f"the dump was cut short: it ends {where}",
            expected="an array that ends with a closing bracket",
        )

    def _byte(self, text: str, at: int) -> int:
        return self.taken + len(text[:at].encode())

    def _decode(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            self._one_by_one(data[: error.start].decode())  # counts the elements before it
            raise DumpRefused(
                f"element {self.number} is not UTF-8: byte 0x{data[error.start]:02x} at byte"
                f" {self.taken + error.start:,}",
                expected="UTF-8 text",
            ) from None


def no_elements() -> DumpIncomplete:
    """The error for an array without elements."""
    return DumpIncomplete("the dump is an empty array", expected="at least one object")


def _skip(text: str, at: int) -> int:
    """The index of the first character from `at` on that is not blank."""
    found = _IS_BLANK.match(text, at)
    return found.end() if found else at


def _is_unfinished(error: Exception, text: str) -> bool:
    """Whether the bytes that have not come yet may mend the error."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    if error.msg.startswith("Unterminated string"):
        return True
    rest = text[error.pos :]
    if "escape" in error.msg:
        return len(rest) < _LONGEST_ESCAPE and '"' not in rest
    return bool(_UNFINISHED.fullmatch(rest))
