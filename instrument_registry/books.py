"""One broker's instruments, found by symbol, token or canonical id; built once, never changed.

A row is a tuple of six, and what all strikes of an expiry share is one tuple that they point to.
That, and columns instead of a dict a row, keeps half a million rows in some 150 MB.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import compress, islice
from operator import is_not

from instrument_registry.contents import NO_ID, BrokerColumns, Contents, Listing, Settled
from instrument_registry.records import BrokerInstrument

# symbol, token, canonical id, strike, instrument type, listing
Row = tuple[str, str, str, float, str, Listing]
Rows = tuple[Row, ...]
_Index = tuple[dict[str, Row], dict[str, Rows]]


@dataclass(slots=True)
class Book:
    """The indexes of one broker.

    Attributes:
        broker: its public name.
        symbols: the row that each symbol means.
        shared: all of the broker's rows under a symbol that does not simply mean the one row
            that is spelled so: several are, or an exchange has to be said.
        rows: all of its rows of a known instrument.
        ids, shared_ids: the same for canonical ids; a dump may hold a contract twice.
        conflicts: rows of no known instrument (`token_conflict`), by symbol.
    """

    broker: str
    symbols: dict[str, Row]
    shared: dict[str, Rows]
    rows: list[Row]
    ids: dict[str, Row]
    shared_ids: dict[str, Rows]
    conflicts: dict[str, Rows]
    _tokens: _Index | None = field(default=None, init=False, repr=False)
    _in_capitals: dict[str, Rows] | None = field(default=None, init=False, repr=False)
    _in_order: list[str] | None = field(default=None, init=False, repr=False)

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
        """Symbols with small letters in them (Dhan's, index names), by their capitals.

        Made when first asked for; two threads that ask at once make the same twice.
        """
        if self._in_capitals is None:
            self._in_capitals = _grouped(
                (symbol.upper(), row)
                for symbol in (*self.symbols, *(self.shared.keys() - self.symbols.keys()))
                if symbol != symbol.upper()
                for row in self.spelled(symbol)
            )
        return self._in_capitals

    def in_order(self) -> list[str]:
        """All symbols, sorted; made when first asked for."""
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
    is_known = all(columns.settled is not None for columns in contents.brokers)
    cash = Cash.none() if is_known else Cash.of(contents)
    with collector_paused():
        return {columns.broker: _book(contents, columns, cash) for columns in contents.brokers}


@contextmanager
def collector_paused() -> Iterator[None]:
    """Build half a million tuples without the collector going over them again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Cash:
    """The shares of NSE and BSE, at whatever broker.

    Attributes:
        ids: their canonical ids.
        symbols: the same without the exchange.
        in_series: NSE's symbols that are listed in some other series than EQ, without it.
        at_nse: those, NSE's symbols in series EQ, and `unlike`: what BSE has not to itself.
        unlike: symbols that are different companies at NSE and at BSE, or an index as well.
    """

    ids: frozenset[str]
    symbols: frozenset[str]
    in_series: frozenset[str]
    at_nse: frozenset[str]
    unlike: frozenset[str]

    @classmethod
    def none(cls) -> Cash:
        """Those of a publication whose symbols are settled: nobody asks."""
        empty: frozenset[str] = frozenset()
        return cls(empty, empty, empty, empty, empty)

    @classmethod
    def of(cls, contents: Contents) -> Cash:
        """Those of a publication."""
        ids = frozenset(one for one in contents.ids if one.startswith(("NSE:", "BSE:")))
        at_nse = frozenset(one[4:] for one in ids if one[0] == "N")
        in_series = frozenset(one[:-3] for one in at_nse if one[-3:-2] == "-")
        symbols = frozenset(one[4:] for one in ids)
        indices = (one[6:] for one in contents.ids if one.startswith("INDEX:"))
        unlike = contents.unlike.union(indices)
        return cls(ids, symbols, in_series, at_nse | in_series | unlike, unlike)

    def is_doubtful(self, symbol: str, identity: str) -> bool:
        """Whether a symbol that is one share's alone at a broker may mean another one."""
        if identity[4:] != symbol:
            return symbol in self.symbols
        return symbol in (self.unlike if identity[0] == "N" else self.at_nse)


def _book(contents: Contents, columns: BrokerColumns, cash: Cash) -> Book:
    # Positions count from the end for NO_ID.
    ids = list(map([*contents.ids, ""].__getitem__, columns.ids))
    rows: list[Row] = list(
        zip(
            columns.symbols,
            columns.tokens,
            ids,
            map(contents.strikes.__getitem__, columns.strikes),
            map(contents.types.__getitem__, columns.types),
            map(contents.listings.__getitem__, columns.listings),
            strict=True,
        )
    )
    lost = [row for row in rows if not row[2]] if NO_ID in columns.ids else []
    if lost:
        rows = list(compress(rows, ids))
        ids = [row[2] for row in rows]
    spelled = [row[0] for row in rows] if lost else columns.symbols
    listed, shared_ids = _indexed(ids, rows)
    if columns.settled is None:
        symbols, shared = _indexed(spelled, rows)
        shares = compress(rows, map(cash.ids.__contains__, ids))
        _settle_shares(symbols, shared, listed, cash, shares)
    else:
        symbols, shared = _as_settled(spelled, rows, columns.settled)
    return Book(
        columns.broker, symbols, shared, rows, listed, shared_ids,
        _grouped((row[0], row) for row in lost),
    )  # fmt: skip


def settled(book: Book) -> Settled:
    """What was worked out of a book's shared symbols, to be kept with its columns."""
    position = {id(row): at for at, row in enumerate(book.rows)}
    meant = (book.symbols.get(symbol) for symbol in book.shared)
    return Settled(
        array("I", map(len, book.shared.values())),
        array("I", (position[id(row)] for rows in book.shared.values() for row in rows)),
        array("i", (-1 if row is None else position[id(row)] for row in meant)),
    )


def _as_settled(keys: list[str], rows: list[Row], known: Settled) -> _Index:
    index = dict(zip(keys, rows, strict=True))
    shared: dict[str, Rows] = {}
    sharing = map(rows.__getitem__, known.rows)
    for size, at in zip(known.sizes, known.meant, strict=True):
        group = tuple(islice(sharing, size))
        symbol = group[0][0]
        shared[symbol] = group
        if at < 0:
            index.pop(symbol, None)
        else:
            index[symbol] = rows[at]
    return index, shared


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


def _settle_shares(
    symbols: dict[str, Row],
    shared: dict[str, Rows],
    by_id: Mapping[str, Row],
    cash: Cash,
    shares: Iterable[Row],
) -> None:
    """Let a bare share symbol mean the same at every broker: NSE's, where NSE lists it at all.

    Angel One spells NSE's RELIANCE `RELIANCE-EQ` and BSE's `RELIANCE`; Upstox leaves NSE's series
    out. Taken at their word, one text would be two instruments, by broker.
    """
    suspects = [
        row[0] for row in shares if cash.is_doubtful(row[0], row[2]) and symbols.get(row[0]) is row
    ]
    # What begins with no share means none: it is shared already, or a contract.
    doubtful = [symbol for symbol, rows in shared.items() if rows[0][2] in cash.ids]
    for symbol in (*suspects, *doubtful):
        rows = shared.get(symbol) or (symbols[symbol],)
        identity = _meaning(symbol, rows, cash)
        if identity == rows[0][2] and len(rows) == 1:
            continue
        shared[symbol] = rows
        chosen = by_id.get(identity) if identity else None
        if chosen is not None:
            symbols[symbol] = chosen
        else:
            symbols.pop(symbol, None)


def _meaning(symbol: str, rows: Rows, cash: Cash) -> str | None:
    """The canonical id that a bare symbol means; None if it is open."""
    at_nse, at_bse = f"NSE:{symbol}", f"BSE:{symbol}"
    spelled = {row[2] for row in rows}
    if not spelled <= cash.ids or symbol in cash.unlike:
        return None
    if at_nse in cash.ids:
        return at_nse if spelled <= {at_nse, at_bse} else None
    (only, *others) = spelled | ({at_bse} & cash.ids)
    return None if others or (only == at_bse and symbol in cash.in_series) else only
