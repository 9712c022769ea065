"""Lookups by terms: this option, the nearest future, a chain, the strikes around the money."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from instrument_registry import clock
from instrument_registry.lookups import search, terms
from instrument_registry.lookups.state import State
from instrument_registry.records import Instrument


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One strike of an expiry; a side that is not listed is None."""

    strike: Decimal
    call: Instrument | None
    put: Instrument | None


class ContractLookups:
    """The part of a registry that is asked by terms.

    Days are days in India. Where one is asked "from when", it is the `today` that the registry was
    made with, the day of the publication if it was made without.
    """

    _state: State
    _today: Callable[[], date] | None

    def _day(self, on: date | str | None, state: State) -> str:
        if on is not None:
            return terms.expiry_text(on)
        if self._today is not None:
            return self._today().isoformat()
        return (state.publication.as_of_date or clock.today()).isoformat()

    def option(
        self, underlying: str, expiry: date | str, strike: Decimal | float | str, option_type: str,
        exchange: str | None = None,
    ) -> Instrument | None:  # fmt: skip
        """The option of these terms; None if it is not listed.

        Args:
            underlying: Kite's word: `NIFTY`, `RELIANCE`.
            expiry: the day, or `YYYY-MM-DD`.
            strike: in the price's unit.
            option_type: `CE` or `PE`.
            exchange: needed only where several list options on the underlying.

        Raises:
            AmbiguousSymbolError: several exchanges list options on it.
            SymbolError: terms that no option has.
        """
        state = self._state
        day, price = terms.expiry_text(expiry), terms.exact_strike(strike)
        kind = terms.option_type_of(option_type)
        found = state.terms().on(underlying, exchange, "options")
        if found is None:
            return None
        return state.instrument(terms.option_id(found[0], underlying, day, price, kind))

    def options(
        self, wanted: Iterable[tuple[str, date | str, Decimal | float | str, str]]
    ) -> list[Instrument | None]:
        """`option` of each (underlying, expiry, strike, type)."""
        at_once = copy(self)
        return [at_once.option(*one) for one in wanted]

    def futures(
        self, underlying: str, exchange: str | None = None, on: date | str | None = None
    ) -> tuple[Instrument, ...]:
        """The futures that have not expired, the nearest first.

        Raises:
            AmbiguousSymbolError: several exchanges list futures on it.
            SymbolError: `on` is no day.
        """
        state = self._state
        found = state.terms().on(underlying, exchange, "futures")
        if found is None:
            return ()
        from_day = self._day(on, state)
        ids = [one for expiry, one in sorted(found[1].futures.items()) if expiry >= from_day]
        return _instruments(state, ids)

    def expiries(
        self, underlying: str, exchange: str | None = None, on: date | str | None = None
    ) -> tuple[date, ...]:
        """The option expiries that have not passed, the nearest first.

        A contract still trades on its expiry day, so that day counts.

        Raises:
            AmbiguousSymbolError: several exchanges list options on it.
            SymbolError: `on` is no day.
        """
        state = self._state
        found = state.terms().on(underlying, exchange, "options")
        if found is None:
            return ()
        from_day = self._day(on, state)
        days = (day for day in sorted(found[1].options) if day >= from_day)
        return tuple(map(date.fromisoformat, days))

    def nearest_expiry(
        self, underlying: str, exchange: str | None = None, on: date | str | None = None
    ) -> date | None:
        """The first of `expiries`; None if there is none."""
        return next(iter(self.expiries(underlying, exchange, on)), None)

    def chain(
        self, underlying: str, expiry: date | str | None = None, exchange: str | None = None
    ) -> tuple[ChainRow, ...]:
        """All strikes of an expiry (the nearest if none is given), ascending; empty if unlisted.

        Raises:
            AmbiguousSymbolError: several exchanges list options on it.
            SymbolError: the expiry is no day.
        """
        state = self._state
        return _chain(state, self._sides(state, underlying, expiry, exchange))

    def around_the_money(
        self, underlying: str, price: Decimal | float | str, expiry: date | str | None = None,
        *, each_side: int = 10, exchange: str | None = None,
    ) -> tuple[ChainRow, ...]:  # fmt: skip
        """The strike nearest to a price and as many on either side; of two as near, the lower.

        Raises:
            AmbiguousSymbolError: several exchanges list options on it.
            SymbolError: the price is no number above zero, or the expiry no day.
        """
        state = self._state
        sides = self._sides(state, underlying, expiry, exchange)
        spot = Decimal(terms.exact_strike(price))
        kept = terms.around(list(sides), spot, max(each_side, 0))
        return _chain(state, {strike: sides[strike] for strike in kept})

    def search(self, text: str, limit: int = 10) -> tuple[Instrument, ...]:
        """What a person who types this may mean, the likeliest first; `nifty 26450 ce`.

        An exact name goes before the start of one, a near expiry before a far one, and an index
        before a share.
        """
        state = self._state
        day = self._day(None, state)
        ids = search.search(state.terms(), text, day, limit)
        return _instruments(state, ids)

    def _sides(
        self, state: State, underlying: str, expiry: date | str | None, exchange: str | None
    ) -> dict[Decimal, dict[str, str]]:
        found = state.terms().on(underlying, exchange, "options")
        if found is None:
            return {}
        options = found[1].options
        if expiry is not None:
            return terms.by_strike(options.get(terms.expiry_text(expiry), ()))
        from_day = self._day(None, state)
        nearest = min((day for day in options if day >= from_day), default="")
        return terms.by_strike(options.get(nearest, ()))


def _instruments(state: State, ids: Iterable[str]) -> tuple[Instrument, ...]:
    return tuple(one for identity in ids if (one := state.instrument(identity)) is not None)


def _chain(state: State, sides: dict[Decimal, dict[str, str]]) -> tuple[ChainRow, ...]:
    return tuple(
        ChainRow(strike, _side(state, by_type, "CE"), _side(state, by_type, "PE"))
        for strike, by_type in sides.items()
    )


def _side(state: State, by_type: dict[str, str], kind: str) -> Instrument | None:
    identity = by_type.get(kind)
    return None if identity is None else state.instrument(identity)
