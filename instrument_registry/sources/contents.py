"""A publication as columns: compact, quick to write to a file and to read back.

What repeats stands once, in a pool; a row is a few numbers into the pools and two texts of its own.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from operator import itemgetter
from typing import Any, Final

from instrument_registry.broker_names import public_name
from instrument_registry.records import BrokerRow, Publication

# exchange, segment, name, broker, lot size, tick size, expiry: what all strikes of an expiry share.
Listing = tuple[str, str, str, str, int, float, str]
NO_ID: Final = -1
NO_ROW: Final = -1
_SEVERAL: Final = 2


@dataclass(frozen=True, slots=True)
class Settled:
    """What a broker's symbols and ids mean, worked out once (see `settling`).

    Rows are counted among those with an id.

    Attributes:
        lost: which rows, of all, have no id.
        sizes: how many rows each symbol has that does not simply mean the one row spelled so.
        rows: those, one symbol after the other.
        meant: the row that such a symbol means, `NO_ROW` if it is open.
        row_of_id: the row of each of `Contents.ids`, `NO_ROW` for none or several.
        sizes_of_ids, rows_of_ids: as `sizes` and `rows`, of the ids that have several.
    """

    lost: array[int]
    sizes: array[int]
    rows: array[int]
    meant: array[int]
    row_of_id: array[int]
    sizes_of_ids: array[int]
    rows_of_ids: array[int]


@dataclass(slots=True)
class BrokerColumns:
    """One broker's rows, a column each: texts of its own, then positions in the pools.

    Attributes:
        broker: its public name.
        symbols: its spellings.
        tokens: its tokens.
        ids: positions in `Contents.ids`, `NO_ID` for a token conflict.
        listings: positions in `Contents.listings`.
        strikes: positions in `Contents.strikes`.
        types: positions in `Contents.types`.
        settled: what its symbols and ids mean; None until it is worked out.
    """

    broker: str
    symbols: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    ids: array[int] = field(default_factory=lambda: array("i"))
    listings: array[int] = field(default_factory=lambda: array("I"))
    strikes: array[int] = field(default_factory=lambda: array("I"))
    types: array[int] = field(default_factory=lambda: array("B"))
    settled: Settled | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """All rows of a publication, or of its focus set.

    Attributes:
        publication: which one.
        ids: canonical ids.
        listings: what the rows of an expiry share.
        strikes: as floats; the first is 0.0, for none.
        types: `EQ`, `FUT`, `CE`, `PE`.
        brokers: their rows.
        unlike: symbols that are different companies at NSE and at BSE, by their ISIN.
        focus: the canonical ids of the focus set; None if the source does not hold it.
        elsewhere: of a focus set, by broker: `SYMBOL` and `EXCHANGE:SYMBOL` that the broker gives
            to rows outside of it too. Dhan calls every week of a month alike.
    """

    publication: Publication
    ids: list[str]
    listings: list[Listing]
    strikes: list[float]
    types: list[str]
    brokers: tuple[BrokerColumns, ...]
    unlike: frozenset[str]
    focus: frozenset[str] | None
    elsewhere: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows all brokers have."""
        return sum(len(columns.symbols) for columns in self.brokers)

    @classmethod
    def of(
        cls,
        rows: Iterable[BrokerRow],
        publication: Publication | None = None,
        focus: Collection[str] | None = None,
    ) -> Contents:
        """The contents of rows in any order.

        Args:
            rows: one a broker, exchange and token.
            publication: which publication they are; an unnumbered one if not given.
            focus: canonical ids of the focus set, None if it is not known.
        """
        collected = _Collected()
        for row in rows:
            collected.add(row)
        return collected.contents(publication or Publication(), focus)

    def focused(self) -> Contents:
        """The rows of the focus set alone.

        Raises:
            ValueError: the source of these contents does not hold a focus set.
        """
        if self.focus is None:
            raise ValueError("these contents hold no focus set")
        collected = _Collected()
        # One more for NO_ID, which counts from the end.
        wanted = bytearray(map(self.focus.__contains__, self.ids)) + b"\0"
        elsewhere: dict[str, frozenset[str]] = {}
        for columns in self.brokers:
            chosen = list(map(wanted.__getitem__, columns.ids))
            elsewhere[columns.broker] = self._elsewhere(columns, chosen)
            for at in compress(range(len(columns.ids)), chosen):
                collected.put(
                    columns.symbols[at], columns.tokens[at], self.ids[columns.ids[at]],
                    self.listings[columns.listings[at]], self.strikes[columns.strikes[at]],
                    self.types[columns.types[at]],
                )  # fmt: skip
        made = collected.contents(self.publication, self.focus)
        return replace(made, unlike=frozenset(), elsewhere=elsewhere)

    def _elsewhere(self, columns: BrokerColumns, chosen: list[int]) -> frozenset[str]:
        symbols = set(compress(columns.symbols, chosen))
        found = set(self.elsewhere.get(columns.broker, ()))
        for at, symbol in enumerate(columns.symbols):
            if symbol in symbols and not chosen[at]:
                found |= {symbol, f"{self.listings[columns.listings[at]][0]}:{symbol}"}
        return frozenset(found)


class _Collected:
    """Rows on their way into columns."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.listings: dict[Listing, int] = {}
        self.strikes: dict[float, int] = {0.0: 0}
        self.types: dict[str, int] = {}
        self.brokers: dict[str, BrokerColumns] = {}
        self.isins: dict[str, set[str]] = {}

    def add(self, row: BrokerRow) -> None:
        """Take one row of the mart."""
        expiry = "" if row.expiry_date is None else row.expiry_date.isoformat()
        listing = (
            row.exchange, row.segment, row.name, public_name(row.broker), row.lot_size or 0,
            float(row.tick_size_inr or 0), expiry,
        )  # fmt: skip
        strike = float(row.strike or 0)
        identity = row.canonical_id
        self.put(
            row.tradingsymbol, row.broker_token, identity, listing, strike, row.instrument_type
        )
        if row.isin and identity and row.exchange in {"NSE", "BSE"}:
            self.isins.setdefault(identity, set()).add(row.isin)

    def put(  # noqa: PLR0917 - a row's columns, in their order
        self, symbol: str, token: str, identity: str | None, listing: Listing, strike: float,
        instrument_type: str,
    ) -> None:  # fmt: skip
        """Take one row whose repeating parts are put together already."""
        columns = self.brokers.get(listing[3])
        if columns is None:
            columns = self.brokers[listing[3]] = BrokerColumns(listing[3])
        columns.symbols.append(symbol)
        columns.tokens.append(token)
        columns.ids.append(
            NO_ID if identity is None else self.ids.setdefault(identity, len(self.ids))
        )
        columns.listings.append(self.listings.setdefault(listing, len(self.listings)))
        columns.strikes.append(self.strikes.setdefault(strike, len(self.strikes)))
        columns.types.append(self.types.setdefault(instrument_type, len(self.types)))

    def contents(self, publication: Publication, focus: Collection[str] | None) -> Contents:
        return Contents(
            publication, list(self.ids), list(self.listings), list(self.strikes),
            list(self.types), tuple(self.brokers.values()), unlike(self.isins),
            None if focus is None else frozenset(focus),
        )  # fmt: skip


def unlike(isins: Mapping[str, set[str]]) -> frozenset[str]:
    """Symbols that are different companies at NSE and at BSE: no ISIN joins them."""
    symbols = (identity[4:] for identity in isins if identity.startswith("NSE:"))
    return frozenset(
        symbol
        for symbol in symbols
        if (at_bse := isins.get(f"BSE:{symbol}")) and not at_bse & isins[f"NSE:{symbol}"]
    )


def picked(pool: Sequence[Any], positions: Sequence[int]) -> Sequence[Any]:
    """What stands at each position: one call for all of them, where `map` makes one each."""
    if len(positions) < _SEVERAL:
        return [pool[at] for at in positions]
    found: tuple[Any, ...] = itemgetter(*positions)(pool)
    return found
