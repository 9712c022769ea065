"""Instruments in the shape in which older programs read them: objects with a list a broker.

`registry.registry` of such a program is a `UnifiedInstrumentRegistry`: the same publication, asked
in its words. What the warehouse does not know (sectors, industries) says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from instrument_registry.broker_names import asked_name
from instrument_registry.errors import AmbiguousSymbolError
from instrument_registry.records import BrokerInstrument, Instrument

if TYPE_CHECKING:
    from instrument_registry.registry import Registry

UNKNOWN: Final = "Unknown"
"""Sector and industry of every instrument: no broker's dump has them."""


@dataclass(frozen=True, slots=True)
class BrokerListing:
    """One broker's listing.

    Attributes:
        broker: `zerodha`, `angel_one`, `dhan`, `upstox`.
        broker_token: the broker's token, as text.
        tradingsymbol, name, exchange, segment: the broker's words.
        instrument_type: `EQ`, `FUT`, `CE` or `PE`.
        lot_size: 0 where the broker says none.
        tick_size: rupees; 0.0 where the broker says none.
        expiry: `YYYY-MM-DD`; None where there is none.
        strike: None where there is none.
    """

    broker: str
    broker_token: str
    tradingsymbol: str
    name: str
    exchange: str
    instrument_type: str
    segment: str
    lot_size: int
    tick_size: float
    expiry: str | None
    strike: float | None

    @classmethod
    def of(cls, found: BrokerInstrument) -> BrokerListing:
        """What a lookup answered."""
        return cls(
            found["broker"], found["symboltoken"], found["tradingsymbol"], found["name"],
            found["exchange"], found["instrument_type"], found["segment"], found["lot_size"],
            found["tick_size"], found["expiry"] or None, found["strike"] or None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnifiedInstrument:
    """An instrument, whoever lists it.

    Attributes:
        unified_id: the canonical id, `NFO:NIFTY:2026-11-24:26450:CE`.
        canonical_symbol: the symbol of a share or index; of a contract Kite's spelling, or its
            first broker's where Kite does not list it.
        canonical_name: the company, or the underlying.
        underlying: what a contract is written on; None of a share or index.
        is_index: whether it is an index.
        broker_instruments: the listings, by broker; one a broker.
        sector, industry: always `Unknown`.
    """

    unified_id: str
    canonical_symbol: str
    canonical_name: str
    underlying: str | None
    is_index: bool
    broker_instruments: Mapping[str, list[BrokerListing]]
    sector: str = UNKNOWN
    industry: str = UNKNOWN

    @classmethod
    def of(cls, found: Instrument) -> UnifiedInstrument:
        """The instrument in this shape."""
        listed = {name: [BrokerListing.of(one)] for name, one in found.brokers.items()}
        first = next((one[0] for one in listed.values()), None)
        is_contract = found.expiry is not None
        return cls(
            unified_id=found.unified_id,
            canonical_symbol=first.tradingsymbol if first and is_contract else found.underlying,
            canonical_name=first.name if first else found.underlying,
            underlying=found.underlying if is_contract else None,
            is_index=found.unified_id.startswith("INDEX:"),
            broker_instruments=listed,
        )

    def get_broker_instrument(
        self, broker: str, segment: str | None = None
    ) -> BrokerListing | None:
        """A broker's listing; None if it has none, or none in that segment of its own."""
        found = self.broker_instruments.get(asked_name(broker), ())
        return next((one for one in found if segment in {None, one.segment, one.exchange}), None)


class UnifiedInstrumentRegistry:
    """A registry, asked in the words of older programs.

    It holds nothing itself: after a refresh it answers from the new publication, as the registry
    does.

    Attributes:
        registry_type: which instruments it holds.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.registry_type = registry.registry_type

    def get_by_unified_id(self, unified_id: str) -> UnifiedInstrument | None:
        """The instrument of a canonical id; None if no broker lists it."""
        return _shaped(self._registry.get_by_unified_id(unified_id))

    def get_by_broker_token(
        self, broker: str, token: str | int, segment: str | None = None
    ) -> UnifiedInstrument | None:
        """The instrument of a broker's token; None if it is unknown or in conflict.

        Raises:
            AmbiguousSymbolError: several exchanges use that token, and no segment is given.
            UnknownBroker: there is no such broker.
        """
        found = self._registry.get_by_broker_token(broker, token, segment)
        return None if found is None else self.get_by_unified_id(found["unified_id"])

    def get_broker_instrument(self, unified_id: str, broker: str) -> BrokerListing | None:
        """A broker's listing of a canonical id; None if it has none."""
        found = self.get_by_unified_id(unified_id)
        return None if found is None else found.get_broker_instrument(broker)

    def resolve_symbol(self, symbol: str, exchange: str | None = None) -> list[UnifiedInstrument]:
        """Everything that a symbol may name, at whatever broker: none, one, or several.

        Several are no answer but a question: `resolve_for_broker` answers None then.
        """
        try:
            found = self._registry.resolve_symbol(symbol, exchange)
        except AmbiguousSymbolError as error:
            ids = dict.fromkeys(one.rpartition(" = ")[2] for one in error.candidates)
            several = map(self.get_by_unified_id, ids)
            return [one for one in several if one is not None]
        return [] if found is None else [UnifiedInstrument.of(found)]

    @property
    def stats(self) -> dict[str, Any]:
        """How much it holds: `total_rows`, `brokers`, and the publication's number and day."""
        told = self._registry.publication
        return {
            "total_rows": len(self._registry),
            "brokers": list(self._registry.brokers),
            "publication": told.number,
            "as_of_date": told.as_of_date,
        }


def _shaped(found: Instrument | None) -> UnifiedInstrument | None:
    return None if found is None else UnifiedInstrument.of(found)
