"""Contents as bytes and back: texts joined by a separator, numbers as they lie in memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from instrument_registry.errors import SnapshotRefused
from instrument_registry.records import Publication
from instrument_registry.sources.contents import BrokerColumns, Contents, Settled, picked
from instrument_registry.sources.settling import settle

_SEPARATOR: Final = "\x1f"
# Of a listing, in its order: how each of its values is read from text.
_LISTING: Final[tuple[Callable[[str], Any], ...]] = (str, str, str, str, int, float, str)
_SETTLED: Final = "IIIiiII"
_PLACE: Final = "I"


def pack(contents: Contents) -> tuple[bytes, dict[str, Any]]:
    """The bytes of contents, and where each part of them is.

    Raises:
        SnapshotRefused: a text holds the separator.
    """
    columns = list(zip(*contents.listings, strict=True)) or [()] * len(_LISTING)
    parts = [
        _joined(contents.ids),
        *(part for column in columns for part in _pooled(column)),
        array("d", contents.strikes).tobytes(),
        _joined(contents.types),
        _joined(sorted(contents.unlike)),
        _joined(sorted(contents.focus or ())),
        _joined(
            f"{broker} {text}"
            for broker, texts in contents.elsewhere.items() for text in sorted(texts)
        ),
    ]  # fmt: skip
    # What its symbols mean is worked out once here, not at every start of every process.
    settle(contents)
    for broker in contents.brokers:
        parts += [_joined(broker.symbols), _joined(broker.tokens)]
        known = broker.settled
        numbers = [broker.ids, broker.listings, broker.strikes, broker.types]
        numbers += [getattr(known, field.name) for field in fields(Settled)]
        parts += [column.tobytes() for column in numbers]
    layout = {
        "parts": [len(part) for part in parts],
        "brokers": [broker.broker for broker in contents.brokers],
        "has_focus": contents.focus is not None,
    }
    return b"".join(parts), layout


def unpack(data: bytes, layout: Mapping[str, Any], publication: Publication) -> Contents:
    """The contents of bytes whose checksum was right."""
    parts = _parts(data, layout["parts"])
    ids = _split(next(parts))
    listings: list[Any] = list(zip(*(_unpooled(read, parts) for read in _LISTING), strict=True))
    strikes = _numbers("d", next(parts)).tolist()
    types, unlike, focus, called = (_split(next(parts)) for _ in range(4))
    elsewhere: dict[str, set[str]] = {}
    for broker, _, text in (one.partition(" ") for one in called):
        elsewhere.setdefault(broker, set()).add(text)
    books = [_columns(broker, parts) for broker in layout["brokers"]]
    return Contents(
        publication, ids, listings, strikes, types, tuple(books), frozenset(unlike),
        frozenset(focus) if layout["has_focus"] else None,
        {broker: frozenset(texts) for broker, texts in elsewhere.items()},
    )  # fmt: skip


def _columns(broker: str, parts: Iterator[memoryview]) -> BrokerColumns:
    symbols, tokens = _split(next(parts)), _split(next(parts))
    ids, listings, strikes, types = (_numbers(code, next(parts)) for code in "iIIB")
    known = Settled(*(_numbers(code, next(parts)) for code in _SETTLED))
    return BrokerColumns(broker, symbols, tokens, ids, listings, strikes, types, known)


def _pooled(values: Sequence[object]) -> tuple[bytes, bytes]:
    """Each value once, as text, and which of them stands at each place."""
    pool = dict.fromkeys(values)
    places = dict(zip(pool, range(len(pool)), strict=True))
    at = array(_PLACE, map(places.__getitem__, values))
    return _joined(map(str, pool)), at.tobytes()


def _unpooled(read: Callable[[str], Any], parts: Iterator[memoryview]) -> Sequence[Any]:
    pool = [read(text) for text in _split(next(parts))]
    return picked(pool, _numbers(_PLACE, next(parts)))


def _joined(texts: Iterable[str]) -> bytes:
    listed = list(texts)
    # One more at the end: no texts at all and one empty text are two things.
    text = "".join((_SEPARATOR.join(listed), _SEPARATOR)) if listed else ""
    if text.count(_SEPARATOR) != len(listed):
        raise SnapshotRefused(
            "a symbol, token or name holds the character 31, which no broker's text has; "
            "no snapshot was written"
        )
    return text.encode()


def _split(part: memoryview) -> list[str]:
    return str(part, "utf-8").split(_SEPARATOR)[:-1]


def _numbers(code: str, part: memoryview) -> Any:
    numbers = array(code)
    numbers.frombytes(part)
    return numbers


def _parts(data: bytes, lengths: Iterable[int]) -> Iterator[memoryview]:
    view, at = memoryview(data), 0
    for length in lengths:
        yield view[at : at + length]
        at += length
