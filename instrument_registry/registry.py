"""The registry: every lookup, over one publication at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from copy import copy
from datetime import date
from typing import TYPE_CHECKING, Self

from instrument_registry.errors import AmbiguousSymbolError, shown
from instrument_registry.lookups.books import Book, Row, Rows, answer, described
from instrument_registry.lookups.contract_lookups import ContractLookups
from instrument_registry.lookups.explanation import Explanation, explained, refuse
from instrument_registry.lookups.resolution import Verdict, book_of, find
from instrument_registry.lookups.state import State
from instrument_registry.records import (
    BrokerInstrument,
    BrokerRow,
    Instrument,
    Publication,
    RegistryType,
)
from instrument_registry.sources.contents import Contents

if TYPE_CHECKING:
    from instrument_registry.older.shapes import UnifiedInstrumentRegistry


class Registry(ContractLookups):
    """Instruments under every broker's spelling and token.

    It is swapped whole: `show` puts another publication in the place of the one it has, and a
    lookup that is under way in another thread ends on the one that it began with. Lookups take no
    locks; any number of threads may ask.

    A batch (`resolve_many`, `chain`, ...) is of one publication, whatever is shown meanwhile.

    Args:
        contents: the publication; an INTRADAY_FOCUS registry keeps its focus set only.
        registry_type: which instruments it holds.
        today: the day in India, for what is asked from today on; the publication's if not given.

    Raises:
        ValueError: INTRADAY_FOCUS, and the contents know no focus set.
    """

    def __init__(
        self,
        contents: Contents,
        registry_type: RegistryType = RegistryType.COMPREHENSIVE,
        today: Callable[[], date] | None = None,
    ) -> None:
        self.registry_type = registry_type
        self._today = today
        self.show(contents)

    @classmethod
    def of_rows(
        cls, rows: Iterable[BrokerRow], publication: Publication | None = None,
        focus: Collection[str] | None = None,
        registry_type: RegistryType = RegistryType.COMPREHENSIVE,
    ) -> Registry:  # fmt: skip
        """A registry of rows of `marts.broker_instruments`, in any order.

        Args:
            rows: one a broker, exchange and token.
            publication: which publication they are.
            focus: canonical ids of the focus set, for INTRADAY_FOCUS.
            registry_type: which of them to keep.
        """
        return cls(Contents.of(rows, publication, focus), registry_type)

    def show(self, contents: Contents) -> None:
        """Answer from another publication from now on.

        Raises:
            ValueError: this is an INTRADAY_FOCUS registry, and the contents know no focus set.
        """
        focused = self.registry_type is RegistryType.INTRADAY_FOCUS
        self._state = State.of(contents.focused() if focused else contents)

    def as_it_is(self) -> Self:
        """A registry that stays with the publication of now, at no cost: the indexes are shared.

        For several lookups that have to agree with each other.
        """
        return copy(self)

    @property
    def publication(self) -> Publication:
        """Which publication this is, and where it was read."""
        return self._state.publication

    @property
    def brokers(self) -> tuple[str, ...]:
        """The brokers that it holds instruments of."""
        return tuple(self._state.books)

    @property
    def registry(self) -> UnifiedInstrumentRegistry:
        """This registry, asked in the words of older programs: objects, a list a broker."""
        from instrument_registry.older.shapes import (  # noqa: PLC0415 - only they need it
            UnifiedInstrumentRegistry,
        )

        return UnifiedInstrumentRegistry(self)

    def __len__(self) -> int:
        """How many rows all brokers have."""
        return self._state.rows

    def __repr__(self) -> str:
        told = self.publication
        return (
            f"<Registry {self.registry_type.value}: {len(self)} rows of {', '.join(self.brokers)},"
            f" publication {told.number} of {told.as_of_date} from {told.source}>"
        )

    def resolve_for_broker(
        self, symbol: str, broker: str, instrument_type: str | None = None
    ) -> BrokerInstrument | None:
        """The broker's listing of what a symbol names.

        Args:
            symbol: the broker's own spelling, `NSE:HCLTECH`, or a canonical id. Another broker's
                spelling is taken where the broker's own form does not read it as something else.
            broker: `zerodha` (or `kite`), `angel_one`, `dhan`, `upstox`.
            instrument_type: `EQ`, `FUT`, `CE` or `PE`, when only such a one will do.

        Returns:
            A new dict; None if the symbol is unknown **or ambiguous**: nothing is guessed.
            `explain` says which and why, `require_for_broker` raises it.

        Raises:
            UnknownBroker: there is no such broker.
            SymbolError: there is no such instrument type.
            TypeError: the symbol is no text.
        """
        state = self._state
        if instrument_type is None:
            try:
                # Spelled out, for this is the line that scanners run all day.
                own, token, identity, strike, kind, listing = state.quick[broker][symbol]
            except (KeyError, TypeError):
                pass
            else:
                exchange, segment, name, listed_by, lot_size, tick_size, expiry = listing
                return {
                    "tradingsymbol": own, "symboltoken": token, "exchange": exchange,
                    "instrument_type": kind, "name": name, "broker": listed_by,
                    "lot_size": lot_size, "tick_size": tick_size, "expiry": expiry,
                    "strike": strike, "segment": segment, "unified_id": identity,
                }  # fmt: skip
        row = find(state.books, symbol, broker, instrument_type).row
        return None if row is None else answer(row)

    def resolve_many(
        self, symbols: Iterable[str], broker: str, instrument_type: str | None = None
    ) -> list[BrokerInstrument | None]:
        """`resolve_for_broker` of each."""
        at_once = self.as_it_is()
        return [at_once.resolve_for_broker(symbol, broker, instrument_type) for symbol in symbols]

    def require_for_broker(
        self, symbol: str, broker: str, instrument_type: str | None = None
    ) -> BrokerInstrument:
        """As `resolve_for_broker`, and an error says what stood in the way.

        Raises:
            UnknownSymbolError: nothing is listed so; it has suggestions.
            AmbiguousSymbolError: several instruments are; it has them as candidates.
            ConflictingTokenError: one is, but brokers disagree on what its token is.
        """
        return answer(_required(self._state, symbol, broker, instrument_type))

    def explain(self, symbol: str, broker: str, instrument_type: str | None = None) -> Explanation:
        """How `resolve_for_broker` comes to its answer, step by step."""
        state = self._state
        outcome = find(state.books, symbol, broker, instrument_type)
        return explained(outcome, symbol, broker, book_of(state.books, broker))

    def resolve_symbol(self, symbol: str, exchange: str | None = None) -> Instrument | None:
        """The instrument that a symbol names, whoever spells it so; None if nobody does.

        Args:
            symbol: any broker's spelling, `NSE:HCLTECH`, or a canonical id.
            exchange: where it must be listed.

        Raises:
            AmbiguousSymbolError: it is one instrument at one broker and another at another, or
                several at the same.
        """
        state = self._state
        text = symbol if exchange is None or ":" in symbol else f"{exchange.upper()}:{symbol}"
        found: dict[str, str] = {}
        for broker in state.books:
            outcome = find(state.books, text, broker)
            if outcome.verdict in {Verdict.FOUND, Verdict.AMBIGUOUS}:
                found |= {row[2] or described(row): described(row) for row in outcome.rows}
        if len(found) > 1:
            raise AmbiguousSymbolError(
                symbol, candidates=tuple(found.values()),
                seen=f"{shown(symbol)} is {' or '.join(found)}", expected="one instrument",
                next_step="Say the exchange, or ask for a broker",
            )  # fmt: skip
        return state.instrument(next(iter(found))) if found else None

    def resolve_symbols(
        self, symbols: Iterable[str], exchange: str | None = None
    ) -> list[Instrument | None]:
        """`resolve_symbol` of each."""
        at_once = self.as_it_is()
        return [at_once.resolve_symbol(symbol, exchange) for symbol in symbols]

    def get_by_unified_id(self, unified_id: str) -> Instrument | None:
        """The instrument of a canonical id; None if no broker lists it."""
        return self._state.instrument(unified_id)

    def get_many_by_unified_id(self, unified_ids: Iterable[str]) -> list[Instrument | None]:
        """`get_by_unified_id` of each."""
        state = self._state
        return [state.instrument(one) for one in unified_ids]

    def get_by_broker_token(
        self, broker: str, token: str | int, segment: str | None = None
    ) -> BrokerInstrument | None:
        """The broker's listing of a token; None if it is unknown or in conflict.

        Args:
            broker: whose token it is.
            token: as text or number.
            segment: the broker's own segment or the exchange. Needed where a token is unique only
                inside one: Angel One, Dhan.

        Raises:
            AmbiguousSymbolError: several exchanges use that token.
            UnknownBroker: there is no such broker.
        """
        book = book_of(self._state.books, broker)
        rows = () if book is None else _numbered(book, str(token).strip(), segment)
        if len(rows) > 1:
            raise AmbiguousSymbolError(
                token, broker=broker, candidates=tuple(map(described, rows)),
                seen=f"token {shown(token)} is {'; '.join(map(described, rows))}",
                expected="one instrument", next_step="Say segment=...",
            )  # fmt: skip
        return answer(rows[0]) if rows else None

    def get_many_by_broker_token(
        self, broker: str, tokens: Iterable[str | int], segment: str | None = None
    ) -> list[BrokerInstrument | None]:
        """`get_by_broker_token` of each."""
        at_once = self.as_it_is()
        return [at_once.get_by_broker_token(broker, token, segment) for token in tokens]

    def translate(self, symbol: str, from_broker: str, to_broker: str) -> str | None:
        """How another broker spells what a broker spells so; None if it does not list it.

        Raises:
            UnknownSymbolError, AmbiguousSymbolError, ConflictingTokenError: as
                `require_for_broker` says of the broker that it is translated from.
        """
        state = self._state
        identity = _required(state, symbol, from_broker)[2]
        book = book_of(state.books, to_broker)
        row = None if book is None else book.ids.get(identity)
        return None if row is None else row[0]

    def translate_many(
        self, symbols: Iterable[str], from_broker: str, to_broker: str
    ) -> list[str | None]:
        """`translate` of each; the first that is refused is raised."""
        at_once = self.as_it_is()
        return [at_once.translate(symbol, from_broker, to_broker) for symbol in symbols]


def _required(state: State, symbol: str, broker: str, instrument_type: str | None = None) -> Row:
    outcome = find(state.books, symbol, broker, instrument_type)
    if outcome.row is None:
        refuse(outcome, symbol, broker, book_of(state.books, broker))
    return outcome.row


def _numbered(book: Book, token: str, segment: str | None) -> Rows:
    rows = book.numbered(token)
    if segment is None:
        return rows
    # Upstox's keys, and Dhan's of indices, have the segment before the number.
    rows = rows or book.numbered(f"{segment}|{token}")
    return tuple(row for row in rows if segment.upper() in {row[5][0], row[5][1].upper()})
