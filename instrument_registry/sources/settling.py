"""What a broker's rows are worked out to mean, as numbers: once, when a publication is written.

Shared symbols and ids, and the bare symbols of shares, are settled here on positions alone, without
a row being put together; a snapshot keeps the result, so that no start of a process does it again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Final

from instrument_registry.sources.collector import collector_paused
from instrument_registry.sources.contents import NO_ID, NO_ROW, BrokerColumns, Contents, Settled

_CASH: Final = frozenset({"NSE:", "BSE:"})
_Groups = dict[str, list[int]]


def settle(contents: Contents) -> None:
    """Give each broker's columns what they mean, unless they have it."""
    if any(columns.settled is None for columns in contents.brokers):
        with collector_paused():
            cash = Cash.of(contents)
            for columns in contents.brokers:
                columns.settled = _settled(contents, columns, cash)


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

    ids: Mapping[str, int]
    symbols: frozenset[str]
    in_series: frozenset[str]
    at_nse: frozenset[str]
    unlike: frozenset[str]

    @classmethod
    def of(cls, contents: Contents) -> Cash:
        """Those of a publication."""
        ids: dict[str, int] = {}
        indices: list[str] = []
        for at, one in enumerate(contents.ids):
            head = one[:4]
            if head in _CASH:
                ids[one] = at
            elif head == "INDE" and one.startswith("INDEX:"):
                indices.append(one[6:])
        at_nse = frozenset(one[4:] for one in ids if one[0] == "N")
        in_series = frozenset(one[:-3] for one in at_nse if one[-3:-2] == "-")
        symbols = frozenset(one[4:] for one in ids)
        unlike = contents.unlike.union(indices)
        return cls(ids, symbols, in_series, at_nse | in_series | unlike, unlike)

    def is_doubtful(self, symbol: str, identity: str) -> bool:
        """Whether a symbol that is one share's alone at a broker may mean another one."""
        if identity[4:] != symbol:
            return symbol in self.symbols
        return symbol in (self.unlike if identity[0] == "N" else self.at_nse)

    def meaning(self, symbol: str, spelled: set[str]) -> str | None:
        """The canonical id that a bare symbol means; None if it is open.

        NSE's, where NSE lists it at all: Angel One spells NSE's RELIANCE `RELIANCE-EQ` and BSE's
        `RELIANCE`; Upstox leaves NSE's series out. Taken at their word, one text would be two
        instruments, by broker.

        Args:
            symbol: without an exchange.
            spelled: the canonical ids of what the broker spells so.
        """
        at_nse, at_bse = f"NSE:{symbol}", f"BSE:{symbol}"
        if not spelled <= self.ids.keys() or symbol in self.unlike:
            return None
        if at_nse in self.ids:
            return at_nse if spelled <= {at_nse, at_bse} else None
        (only, *others) = spelled | ({at_bse} & self.ids.keys())
        return None if others or (only == at_bse and symbol in self.in_series) else only


def _settled(contents: Contents, columns: BrokerColumns, cash: Cash) -> Settled:
    is_lost = map(NO_ID.__eq__, columns.ids)
    lost = array("I", compress(range(len(columns.ids)), is_lost))
    symbols, ids = columns.symbols, columns.ids.tolist()
    if lost:
        known = [one != NO_ID for one in ids]
        symbols, ids = list(compress(symbols, known)), list(compress(ids, known))
    by_symbol = _shared(symbols)
    at_id, by_id = _rows_of_ids(ids, len(contents.ids))
    meant = _shares_settled(contents.ids, symbols, ids, by_symbol, at_id, cash)
    return Settled(
        lost, *_flat(by_symbol.values()), array("i", map(meant.get, by_symbol, repeat(NO_ROW))),
        at_id, *_flat(by_id.values()),
    )  # fmt: skip


def _shares_settled(  # noqa: PLR0917 - all that is known of a broker's rows
    names: Sequence[str], symbols: Sequence[str], ids: Sequence[int], by_symbol: _Groups,
    at_id: Sequence[int], cash: Cash,
) -> dict[str, int]:  # fmt: skip
    """The row that each shared symbol means; what a share has to itself may become shared."""
    is_cash = bytearray(len(names))
    for at in cash.ids.values():
        is_cash[at] = 1
    suspects = []
    for at in compress(range(len(ids)), map(is_cash.__getitem__, ids)):
        symbol = symbols[at]
        if cash.is_doubtful(symbol, names[ids[at]]) and symbol not in by_symbol:
            suspects.append((symbol, at))
    # What begins with no share means none: it is shared already, or a contract.
    doubtful = [symbol for symbol, rows in by_symbol.items() if is_cash[ids[rows[0]]]]
    candidates = [(symbol, [at]) for symbol, at in suspects]
    candidates += [(symbol, by_symbol[symbol]) for symbol in doubtful]
    meant = {}
    for symbol, rows in candidates:
        spelled = {names[ids[at]] for at in rows}
        identity = cash.meaning(symbol, spelled)
        if identity in spelled and len(rows) == 1:
            continue
        by_symbol[symbol] = rows
        found = NO_ROW if identity is None else at_id[cash.ids[identity]]
        if found != NO_ROW:
            meant[symbol] = found
    return meant


def _shared(symbols: Sequence[str]) -> _Groups:
    """The positions of those that stand more than once."""
    seen: set[str] = set()
    several: set[str] = set()
    for symbol in symbols:
        if symbol in seen:
            several.add(symbol)
        else:
            seen.add(symbol)
    found: _Groups = {}
    for at in compress(range(len(symbols)), map(several.__contains__, symbols)):
        found.setdefault(symbols[at], []).append(at)
    return found


def _rows_of_ids(ids: Sequence[int], count: int) -> tuple[array[int], dict[int, list[int]]]:
    """Of each id its row, `NO_ROW` for none or several; and the several, by the id's number."""
    # Lists: an array makes a number anew each time that it is looked at.
    rows = [NO_ROW] * count
    again: dict[int, list[int]] = {}
    for at, one in enumerate(ids):
        if rows[one] == NO_ROW:
            rows[one] = at
        else:
            again.setdefault(one, [rows[one]]).append(at)
    for one in again:
        rows[one] = NO_ROW
    return array("i", rows), again


def _flat(groups: Iterable[Sequence[int]]) -> tuple[array[int], array[int]]:
    listed = list(groups)
    sizes = array("I", map(len, listed))
    return sizes, array("I", (at for group in listed for at in group))
