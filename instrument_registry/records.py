"""What goes into a registry, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, TypedDict


class RegistryType(StrEnum):
    """Which instruments a registry holds."""

    COMPREHENSIVE = "comprehensive"
    """Every instrument of every broker."""
    INTRADAY_FOCUS = "intraday_focus"
    """The focus set of the warehouse: the nearest futures and options around the money."""


class BrokerRow(NamedTuple):
    """One row of `marts.broker_instruments`: what a registry is built from.

    Attributes:
        broker: the warehouse's name (`kite`) or the registry's (`zerodha`).
        exchange: `NSE`, `NFO`, ...
        broker_token: the broker's own token, as text.
        canonical_id: None for a token conflict.
        tradingsymbol: the broker's spelling.
        name: the underlying of a contract, the company of a share; may be blank.
        segment: the broker's own word.
        instrument_type: `EQ`, `FUT`, `CE` or `PE`.
        isin: of a share, where the broker says it.
        strike: in the price's unit; None where there is none.
        tick_size_inr: in rupees; None where the broker does not say it.
        lot_size: units a lot; None where the broker does not say it.
        expiry_date: None for shares and indices.
    """

    broker: str
    exchange: str
    broker_token: str
    canonical_id: str | None
    tradingsymbol: str
    name: str
    segment: str
    instrument_type: str
    isin: str | None
    strike: Decimal | None
    tick_size_inr: Decimal | None
    lot_size: int | None
    expiry_date: date | None


class BrokerInstrument(TypedDict):
    """What a lookup answers: one broker's listing of one instrument, a new dict each time.

    `symboltoken` is text; `tick_size` (rupees) and `strike` are floats, 0.0 where there is none;
    `lot_size` is 0 where there is none; `expiry` is `YYYY-MM-DD` or empty.
    """

    tradingsymbol: str
    symboltoken: str
    exchange: str
    instrument_type: str
    name: str
    broker: str
    lot_size: int
    tick_size: float
    expiry: str
    strike: float
    segment: str
    unified_id: str


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument, whoever lists it.

    Attributes:
        unified_id: the canonical id, `NFO:NIFTY:2026-11-24:26450:CE`.
        exchange: `NFO`; of an index the exchange that its first broker names.
        underlying: what a contract is written on; the symbol itself of a share or index.
        instrument_type: `EQ`, `FUT`, `CE` or `PE`.
        expiry: None for shares and indices.
        strike: None unless it is an option.
        brokers: each broker's listing, by its name here (`zerodha`).
    """

    unified_id: str
    exchange: str
    underlying: str
    instrument_type: str
    expiry: date | None
    strike: Decimal | None
    brokers: Mapping[str, BrokerInstrument]


@dataclass(frozen=True, slots=True)
class Publication:
    """Which publication a registry shows, and where it was read.

    Attributes:
        number: `ops.publications.publication_id`; None where the source has none.
        published_at: when it was published; None where the source does not say it.
        as_of_date: the trading day of the dumps.
        source: `postgresql`, `snapshot`, `redis`, or `rows` for one made by hand.
        stale_brokers: those whose dump could not be had that day, so that an older one stands.
        passed_over: why the sources before this one were not taken.
    """

    number: int | None = None
    published_at: datetime | None = None
    as_of_date: date | None = None
    source: str = "rows"
    stale_brokers: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    def age_seconds(self, now: datetime) -> float | None:
        """How long ago it was published; None if that is not known."""
        return None if self.published_at is None else (now - self.published_at).total_seconds()
