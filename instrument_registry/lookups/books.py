"""One broker's instruments, found by symbol, token or canonical id; built once, never changed.

A row is a tuple of six, and what all strikes of an expiry share is one tuple that they point to.
That, and columns instead of a dict a row, keeps half a million rows in some 150 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import is_not
from typing import Any

from instrument_registry.records import BrokerInstrument
from instrument_registry.sources.contents import (
    NO_ROW,
    BrokerColumns,
    Contents,
    Listing,
    Settled,
    picked,
)
from instrument_registry.sources.settling import settle

# symbol, token, canonical id, strike, instrument type, listing
Row = tuple[str, str, str, float, str, Listing]
Rows = tuple[Row, ...]
_Index = tuple[dict[str, Row], dict[str, Rows]]


class Numbers:
    """Which number each canonical id has: one index for all brokers, made when first asked for."""

    __slots__ = ("found", "texts")

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.found: dict[str, int] | None = None

    def known(self) -> dict[str, int]:
        """Numbers by id; two threads that ask at once make the same twice."""
        if self.found is None:
            self.found = dict(zip(self.texts, range(len(self.texts)), strict=True))
        return self.found


class RowsById(Mapping[str, Row]):
    """A broker's row of each canonical id: a number an id, where a dict would be 40 bytes."""

    __slots__ = ("_numbers", "_row_of_id", "_rows")

    def __init__(self, numbers: Numbers, row_of_id: array[int], rows: list[Row]) -> None:
        self._numbers = numbers
        self._row_of_id = row_of_id
        self._rows = rows

    def __getitem__(self, identity: str) -> Row:
        at = self._row_of_id[self._numbers.known()[identity]]
        if at == NO_ROW:
            raise KeyError(identity)
        return self._rows[at]

    def get(self, identity: object, default: Any = None) -> Any:
        """The row, or the default."""
        known = self._numbers.found or self._numbers.known()
        number = known.get(identity)  # type: ignore[call-overload]  # any key may be asked for
        at = NO_ROW if number is None else self._row_of_id[number]
        return default if at == NO_ROW else self._rows[at]

    def __iter__(self) -> Iterator[str]:
        return (
            text for text, at in zip(self._numbers.texts, self._row_of_id, strict=True)
            if at != NO_ROW
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._row_of_id) - self._row_of_id.count(NO_ROW)


@dataclass(slots=True)
class Book:
    """The indexes of one broker.

    Attributes:
        broker: its public name.
        symbols: the row that each symbol means.
        rows: all of its rows of a known instrument.
        ids: the row of each canonical id that one row alone has.
        shared_ids: the rows of those that several have: a dump may hold a contract twice.
        conflicts: rows of no known instrument (`token_conflict`), by symbol.
        elsewhere: what the broker calls rows too that are not among these (see `Contents`).
        on_underlyings: ids of contracts by what they are on; kept for `underlyings`.
    """

    broker: str
    symbols: dict[str, Row]
    rows: list[Row]
    ids: RowsById
    shared_ids: dict[str, Rows]
    conflicts: dict[str, Rows]
    _settled: Settled
    elsewhere: frozenset[str] = frozenset()
    on_underlyings: dict[str, list[str]] | None = field(default=None, init=False, repr=False)
    _shared: dict[str, Rows] | None = field(default=None, init=False, repr=False)
    _tokens: _Index | None = field(default=None, init=False, repr=False)
    _in_capitals: dict[str, Rows] | None = field(default=None, init=False, repr=False)
    _in_order: list[str] | None = field(default=None, init=False, repr=False)

    @property
    def shared(self) -> dict[str, Rows]:
        """All of the broker's rows under a symbol that does not simply mean the one spelled so.

        Several are, or an exchange has to be said. Made when first asked for, as all below; two
        threads that ask at once make the same twice.
        """
        if self._shared is None:
            known = self._settled
            self._shared = _groups(self.rows, known.sizes, known.rows, key=0)
        return self._shared

    def spelled(self, symbol: str) -> Rows:
        """Every row of the broker that is spelled so."""
        found = self.shared.get(symbol)
        if found is not None:
            return found
        row = self.symbols.get(symbol)
        return () if row is None else (row,)

    def listed_as(self, identity: str) -> Rows:
        """Every row of the broker that is that instrument."""
        row = self.ids.get(identity)
        return self.shared_ids.get(identity, ()) if row is None else (row,)

    def in_capitals(self) -> dict[str, Rows]:
        """Symbols with small letters in them (Dhan's, index names), by their capitals."""
        if self._in_capitals is None:
            self._in_capitals = _grouped(
                (symbol.upper(), row)
                for symbol in (*self.symbols, *(self.shared.keys() - self.symbols.keys()))
                if symbol != symbol.upper()
                for row in self.spelled(symbol)
            )
        return self._in_capitals

    def in_order(self) -> list[str]:
        """All symbols, sorted."""
        if self._in_order is None:
            self._in_order = sorted(self.symbols.keys() | self.shared.keys())
        return self._in_order

    def numbered(self, token: str) -> Rows:
        """Every row of the broker that has that token; some brokers give them out by exchange.

        Many a process never asks by token: the index is made when one first does.
        """
        if self._tokens is None:
            self._tokens = _indexed([row[1] for row in self.rows], self.rows)
        alone, shared = self._tokens
        row = alone.get(token)
        return shared.get(token, ()) if row is None else (row,)


def answer(row: Row) -> BrokerInstrument:
    """The row as callers get it."""
    symbol, token, identity, strike, kind, listing = row
    exchange, segment, name, broker, lot_size, tick_size, expiry = listing
    return {
        "tradingsymbol": symbol, "symboltoken": token, "exchange": exchange,
        "instrument_type": kind, "name": name, "broker": broker, "lot_size": lot_size,
        "tick_size": tick_size, "expiry": expiry, "strike": strike, "segment": segment,
        "unified_id": identity,
    }  # fmt: skip


def described(row: Row) -> str:
    """The row as messages name it."""
    return f"{row[5][0]}:{row[0]} token {row[1]} = {row[2] or 'no known instrument'}"


def books_of(contents: Contents) -> dict[str, Book]:
    """The books of all brokers, by public name."""
    settle(contents)
    numbers = Numbers(contents.ids)
    return {
        columns.broker: _book(contents, columns, columns.settled, numbers)
        for columns in contents.brokers
        if columns.settled is not None
    }


def _book(contents: Contents, columns: BrokerColumns, known: Settled, numbers: Numbers) -> Book:
    # Positions count from the end for NO_ID.
    texts = [*contents.ids, ""] if known.lost else contents.ids
    rows: list[Row] = list(
        zip(
            columns.symbols,
            columns.tokens,
            picked(texts, columns.ids),
            picked(contents.strikes, columns.strikes),
            picked(contents.types, columns.types),
            picked(contents.listings, columns.listings),
            strict=True,
        )
    )
    spelled, lost = columns.symbols, [rows[at] for at in known.lost]
    if lost:
        rows = [row for row in rows if row[2]]
        spelled = [row[0] for row in rows]
    shared_ids = _groups(rows, known.sizes_of_ids, known.rows_of_ids, key=2)
    return Book(
        columns.broker, _meant(spelled, rows, known), rows,
        RowsById(numbers, known.row_of_id, rows), shared_ids,
        _grouped((row[0], row) for row in lost), known,
    )  # fmt: skip


def _meant(spelled: Sequence[str], rows: list[Row], known: Settled) -> dict[str, Row]:
    """The row of each symbol that means one."""
    if not known.sizes:
        return dict(zip(spelled, rows, strict=True))
    is_alone = bytearray(b"\1") * len(rows)
    for at in known.rows:
        is_alone[at] = 0
    index = dict(compress(zip(spelled, rows, strict=True), is_alone))
    first = 0
    for size, at in zip(known.sizes, known.meant, strict=True):
        if at != NO_ROW:
            index[spelled[known.rows[first]]] = rows[at]
        first += size
    return index


def _groups(
    rows: list[Row], sizes: Iterable[int], members: Sequence[int], key: int
) -> dict[str, Rows]:
    sharing = picked(rows, members)
    found, at = {}, 0
    for size in sizes:
        group = tuple(sharing[at : at + size])
        found[group[0][key]] = group
        at += size
    return found


def _indexed(keys: list[str], rows: list[Row]) -> _Index:
    """Rows by their keys: those that have theirs to themselves, and the others.

    Half a million rows pass here three times: none of them is touched in Python unless it shares.
    """
    index = dict(zip(keys, rows, strict=True))
    if len(index) == len(rows):
        return index, {}
    # The index holds the last row of each key: any other row is one of several.
    several = set(compress(keys, map(is_not, map(index.__getitem__, keys), rows)))
    pairs = zip(keys, rows, strict=True)
    shared = _grouped(compress(pairs, map(several.__contains__, keys)))
    for name in several:
        del index[name]
    return index, shared


def _grouped(pairs: Iterable[tuple[str, Row]]) -> dict[str, Rows]:
    found: dict[str, list[Row]] = {}
    for key, row in pairs:
        found.setdefault(key, []).append(row)
    return {name: tuple(group) for name, group in found.items()}
