r"""The short cut through a JSON dump: objects of a shape seen before are read by a pattern.

A dump has some 150,000 objects of a score of shapes (the same keys in the same order, with the same
kinds of values). The first object of each shape is parsed, and becomes a pattern that takes exactly
the objects of its shape and gives their values as they are written, without building them. This
halves the time of a landing.

A text is taken only if it is, from its first byte to its last, a list of such objects; since each
fragment that matches is a whole object, a `},{` inside a name can hide nothing. Everything else
(an escape, other blanks, a key that is new or repeated, a nested value) is left to the parser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

_ABSENT = ("",)
_MAX_TEMPLATES = 256
# RFC 8259, sections 6 and 7, for texts without escapes.
_TEXT = r'"([^"\\\x00-\x1f]*+)"'
_NUMBER = r"(-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+)"
_TRUTH = "(true|false)"

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Style:
    """What stands between the parts of a JSON text.

    Attributes:
        objects: between the inside of one object and that of the next.
        value: between a key and its value.
        keys: between a value and the next key.
    """

    objects: str
    value: str
    keys: str


_STYLES = (_Style("},{", ":", ","), _Style("}, {", ": ", ", "))


@dataclass(frozen=True, slots=True)
class _Template:
    match: Callable[[str], re.Match[str] | None]
    pick: Callable[[Values], Values]


class Templates:
    """The shapes of a dump's objects.

    Args:
        columns: the keys that are landed, in the order of the fields of a row.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._style: _Style | None = None
        self._by_quotes: dict[int, list[_Template]] = {}
        self._number = 0
        self.seen: set[str] = set()

    def rows(self, text: str) -> list[str] | None:
        """The fields of each object, parted by tabs; None where the parser has to look.

        Args:
            text: objects and commas, beginning with `{` and ending with `}`.
        """
        if "\\" in text or not text.startswith("{"):
            return None
        style = self._style = self._style or _style_of(text)
        if style is None:
            return None
        rows = []
        for inside in text[1:-1].split(style.objects):
            found = None
            for template in self._by_quotes.get(inside.count('"'), ()):
                if found := template.match(inside):
                    break
            else:
                learnt = self._learn(inside, style)
                if learnt is None or not (found := learnt.match(inside)):
                    return None
                template = learnt
            rows.append("\t".join(template.pick(found.groups() + _ABSENT)))
        return rows

    def _learn(self, inside: str, style: _Style) -> _Template | None:
        """The template of an object, if it is flat and all of its keys are landed."""
        try:
            values = json.loads(f"{{{inside}}}")
        except (ValueError, RecursionError):
            return None
        if self._number >= _MAX_TEMPLATES or not values.keys() <= set(self._columns):
            return None
        patterns = [_pattern(value) for value in values.values()]
        if not all(patterns):
            return None
        fields = [
            f"{re.escape(json.dumps(key))}{style.value}{pattern}"
            for key, pattern in zip(values, patterns, strict=True)
        ]
        keys = [key for key, value in values.items() if value is not None]
        template = _Template(
            re.compile(style.keys.join(fields)).fullmatch, picker(keys, self._columns)
        )
        self._by_quotes.setdefault(inside.count('"'), []).append(template)
        self._number += 1
        self.seen.update(values)
        return template


def picker(keys: Sequence[str], columns: Sequence[str]) -> Callable[[Values], Values]:
    """From the values of these keys, and '' after them, to the fields of a row."""
    places = {key: place for place, key in enumerate(keys)}
    index = [places.get(column, len(keys)) for column in columns]
    if len(index) == 1:  # of which itemgetter would make no tuple
        return lambda values: (values[index[0]],)
    return itemgetter(*index)


def _style_of(text: str) -> _Style | None:
    """How the text is spaced: the way its first key and value are parted tells."""
    first = re.match(r'\{"[^"]*"(:\s*)', text)
    return next((style for style in _STYLES if first and first[1] == style.value), None)


def _pattern(value: object) -> str | None:
    """What the values of this kind look like; None for a nested one."""
    if isinstance(value, str):
        return _TEXT
    if value is None:
        return "null"
    if isinstance(value, bool):
        return _TRUTH
    return _NUMBER if isinstance(value, int | float) else None
