"""How brokers list the focus set: the rows that holders are compared by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from instrument_registry.lookups.state import State
from instrument_registry.records import Publication
from instrument_registry.registry import Registry
from instrument_registry.sources.contents import NO_ID, Contents
from instrument_registry.sync.focus_rule import FocusRule, FocusSet, focus_set

KITE: Final = "zerodha"
"""Kite's public name: the focus set is chosen of what Kite lists."""


class FocusRow(NamedTuple):
    """What one broker says of one contract.

    Numbers are floats, as registries and files have them; what is read as an exact decimal
    becomes the same float if it is the same number.

    Attributes:
        canonical_id: the contract.
        broker: its public name.
        symbol: the broker's spelling.
        token: the broker's token, as text.
        lot_size: 0 where the broker does not say it.
        tick_size: rupees; 0.0 where the broker does not say it.
        strike: 0.0 for a future.
    """

    canonical_id: str
    broker: str
    symbol: str
    token: str
    lot_size: int
    tick_size: float
    strike: float


# A dump may hold a contract twice, so several rows may stand for one.
Listings = Mapping[tuple[str, str], tuple[FocusRow, ...]]
"""Rows by broker and canonical id."""


def listings_of(rows: Iterable[FocusRow]) -> Listings:
    """The rows by broker and canonical id."""
    found: dict[tuple[str, str], list[FocusRow]] = {}
    for row in rows:
        found.setdefault((row.broker, row.canonical_id), []).append(row)
    return {key: tuple(sorted(group)) for key, group in found.items()}


def rows_of_contents(contents: Contents, prefixes: tuple[str, ...]) -> Iterator[FocusRow]:
    """The rows whose canonical ids begin so; all of them for the prefix `""`."""
    ids, shared, strikes = contents.ids, contents.listings, contents.strikes
    wanted = {at for at, identity in enumerate(ids) if identity.startswith(prefixes)}
    for columns in contents.brokers:
        rows = zip(
            columns.ids, columns.symbols, columns.tokens, columns.listings, columns.strikes,
            strict=True,
        )  # fmt: skip
        for position, symbol, token, listing, strike in rows:
            if position != NO_ID and position in wanted:
                lot_size, tick_size = shared[listing][4:6]
                yield FocusRow(
                    ids[position], columns.broker, symbol, token, lot_size, tick_size,
                    strikes[strike],
                )  # fmt: skip


def shown_by(registry: Registry) -> tuple[Publication, Iterator[FocusRow]]:
    """The publication that a registry shows, and every row of that very one.

    A registry may be swapped at any moment; both are of the same.
    """
    state = registry._state  # noqa: SLF001 - no lookup lists everything, and none should
    return state.publication, _rows(state)


def _rows(state: State) -> Iterator[FocusRow]:
    for book in state.books.values():
        for symbol, token, identity, strike, _, listing in book.rows:
            lot_size, tick_size = listing[4:6]
            yield FocusRow(identity, book.broker, symbol, token, lot_size, tick_size, strike)


def ids_of(listings: Listings, broker: str) -> Iterator[str]:
    """The canonical ids that a broker lists."""
    return (identity for listed_by, identity in listings if listed_by == broker)


def focus_of_registry(
    registry: Registry,
    as_of: date | None = None,
    prices: Mapping[str, Decimal] | None = None,
    rule: FocusRule | None = None,
) -> FocusSet:
    """What a COMPREHENSIVE registry says that the focus set should be.

    Args:
        registry: the whole of a publication.
        as_of: its trading day; what its publication says if not given.
        prices: reference prices, by underlying.
        rule: the default one if not given.

    Raises:
        ValueError: no day is given, and the publication has none.
    """
    publication, rows = shown_by(registry)
    day = as_of or publication.as_of_date
    if day is None:
        raise ValueError("the registry's publication has no as-of date; give one")
    listed = {row.canonical_id for row in rows if row.broker == KITE}
    return focus_set(listed, day, prices or {}, rule or FocusRule())
