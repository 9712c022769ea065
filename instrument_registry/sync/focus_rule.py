"""Which contracts belong to the focus set: the rule of `marts.focus_instruments`, over ids alone.

For each underlying, matched by equality: the nearest futures, and of the nearest option expiries
the strikes around the money, calls and puts. An expiry on the as-of day still trades; one before
it never counts. The money is a reference price if one was given; else the middle listed strike of
the nearest expiry, of an even number of strikes the lower of the two in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from instrument_registry.lookups.terms import around

GIVEN: Final = "given"
MIDDLE_STRIKE: Final = "middle_strike"
_FUTURE_PARTS: Final = 4
_OPTION_PARTS: Final = 5


@dataclass(frozen=True, slots=True)
class FocusRule:
    """How wide the focus set is.

    Attributes:
        underlyings: underlying and exchange, as Kite says them.
        futures: how many expiries of futures.
        expiries: how many expiries of options.
        strikes_each_side: how many strikes below the money, and as many above.
    """

    underlyings: tuple[tuple[str, str], ...] = (
        ("BANKNIFTY", "NFO"),
        ("NIFTY", "NFO"),
        ("SENSEX", "BFO"),
    )
    futures: int = 2
    expiries: int = 2
    strikes_each_side: int = 10

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What the canonical ids of its contracts begin with; the colon makes it equality."""
        return tuple(f"{exchange}:{underlying}:" for underlying, exchange in self.underlyings)


class Contract(NamedTuple):
    """A future or option, read off its canonical id.

    Attributes:
        canonical_id: `NFO:NIFTY:2026-08-25:24800:CE`.
        exchange: `NFO`.
        underlying: `NIFTY`.
        expiry: the last day on which it trades.
        strike: None for a future.
    """

    canonical_id: str
    exchange: str
    underlying: str
    expiry: date
    strike: Decimal | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the rule takes of one underlying.

    Attributes:
        underlying: `NIFTY`.
        exchange: `NFO`.
        contracts: how many.
        money: the price that the strikes are around; None without options, unless it was given.
        money_source: `given` or `middle_strike`; empty if there is none.
    """

    underlying: str
    exchange: str
    contracts: int
    money: Decimal | None
    money_source: str


@dataclass(frozen=True, slots=True)
class FocusSet:
    """The outcome of the rule.

    Attributes:
        ids: canonical ids.
        chosen: what was taken of each underlying, in the rule's order.
    """

    ids: frozenset[str]
    chosen: tuple[Chosen, ...]


@dataclass(slots=True)
class _Listed:
    """The contracts of one underlying that have not expired."""

    futures: dict[date, list[str]] = field(default_factory=dict)
    options: dict[date, dict[Decimal, list[str]]] = field(default_factory=dict)

    def add(self, contract: Contract) -> None:
        if contract.strike is None:
            self.futures.setdefault(contract.expiry, []).append(contract.canonical_id)
        else:
            strikes = self.options.setdefault(contract.expiry, {})
            strikes.setdefault(contract.strike, []).append(contract.canonical_id)


def contract_of(canonical_id: str) -> Contract | None:
    """The contract that an id spells; None of a share, an index, or what is no id at all."""
    parts = canonical_id.split(":")
    try:
        if len(parts) == _FUTURE_PARTS and parts[3] == "FUT":
            strike = None
        elif len(parts) == _OPTION_PARTS and parts[4] in {"CE", "PE"}:
            strike = Decimal(parts[3])
            if not strike.is_finite():
                return None
        else:
            return None
        return Contract(canonical_id, parts[0], parts[1], date.fromisoformat(parts[2]), strike)
    except (ValueError, InvalidOperation):
        return None


def focus_set(
    listed_ids: Iterable[str], as_of: date, prices: Mapping[str, Decimal], rule: FocusRule
) -> FocusSet:
    """The focus set of what is listed.

    Args:
        listed_ids: canonical ids of everything that Kite lists, in any order.
        as_of: the trading day of the publication.
        prices: reference prices that were given, by underlying.
        rule: whose focus set.
    """
    found = {key: _Listed() for key in rule.underlyings}
    for identity in listed_ids:
        contract = contract_of(identity)
        if contract is None or contract.expiry < as_of:
            continue
        listed = found.get((contract.underlying, contract.exchange))
        if listed is not None:
            listed.add(contract)
    ids: set[str] = set()
    chosen = []
    for (underlying, exchange), listed in found.items():
        taken, money, source = _chosen(listed, prices.get(underlying), rule)
        ids |= taken
        chosen.append(Chosen(underlying, exchange, len(taken), money, source))
    return FocusSet(frozenset(ids), tuple(chosen))


def _chosen(
    listed: _Listed, price: Decimal | None, rule: FocusRule
) -> tuple[set[str], Decimal | None, str]:
    taken = {
        identity
        for expiry in sorted(listed.futures)[: rule.futures]
        for identity in listed.futures[expiry]
    }
    expiries = sorted(listed.options)[: rule.expiries]
    if not expiries:
        return taken, price, "" if price is None else GIVEN
    nearest = sorted(listed.options[expiries[0]])
    money = nearest[(len(nearest) - 1) // 2] if price is None else price
    for expiry in expiries:
        strikes = listed.options[expiry]
        for strike in around(sorted(strikes), money, rule.strikes_each_side):
            taken.update(strikes[strike])
    return taken, money, MIDDLE_STRIKE if price is None else GIVEN
