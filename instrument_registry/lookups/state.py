"""All indexes of one publication, and what they answer without a symbol being read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from instrument_registry.broker_names import ALIASES
from instrument_registry.lookups.books import Book, Row, answer, books_of
from instrument_registry.lookups.terms import Terms, strike_of
from instrument_registry.records import Instrument, Publication
from instrument_registry.sources.contents import Contents


@dataclass(slots=True)
class State:
    """What one publication holds; made once, then only read.

    Attributes:
        publication: which one.
        books: the brokers', by public name.
        quick: symbols alone, by every name that a broker goes by.
        rows: how many rows all brokers have.
    """

    publication: Publication
    books: Mapping[str, Book]
    quick: Mapping[str, Mapping[str, Row]]
    rows: int
    _terms: Terms | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, contents: Contents) -> State:
        """The indexes of a publication."""
        books = books_of(contents)
        for book in books.values():
            book.elsewhere = contents.elsewhere.get(book.broker, frozenset())
            for symbol in book.elsewhere & book.symbols.keys():
                del book.symbols[symbol]
            _leave_open_what_conflicts_share(book)
        quick = {name: book.symbols for name, book in books.items()}
        quick |= {alias: quick[name] for alias, name in ALIASES.items() if name in quick}
        return cls(contents.publication, books, quick, contents.rows)

    def terms(self) -> Terms:
        """Contracts by their terms; made when first asked for."""
        if self._terms is None:
            self._terms = Terms.of(self.books.values())
        return self._terms

    def instrument(self, identity: str) -> Instrument | None:
        """The instrument of a canonical id, with every broker that lists it once."""
        found = [book.listed_as(identity) for book in self.books.values()]
        rows = [rows[0] for rows in found if rows]
        if not rows:
            return None
        first, listing = rows[0], rows[0][5]
        parts = identity.split(":")
        kind = first[4]
        # Under two tokens at one broker: nobody can say which, so that broker is left out.
        listed = {rows[0][5][3]: answer(rows[0]) for rows in found if len(rows) == 1}
        return Instrument(
            unified_id=identity,
            exchange=listing[0],
            underlying=parts[1],
            instrument_type=kind,
            expiry=date.fromisoformat(listing[6]) if listing[6] else None,
            strike=strike_of(identity) if kind in {"CE", "PE"} else None,
            brokers=MappingProxyType(listed),
        )


def _leave_open_what_conflicts_share(book: Book) -> None:
    """Let a symbol mean nothing if a row in conflict has it as well: either may be meant.

    Dhan calls every week of a month alike: one of them in conflict does not make the symbol the
    other one's. A bare share symbol stays NSE's share, whatever is wrong with BSE's.
    """
    for symbol, lost in book.conflicts.items():
        row = book.symbols.get(symbol)
        if row is None or (row[2] == f"NSE:{symbol}" and all(one[5][0] != "NSE" for one in lost)):
            continue
        del book.symbols[symbol]
        if not book.spelled(symbol):
            book.conflicts[symbol] = (row, *lost)
