"""Contracts by their terms: expiries, strikes, chains. Made when first asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from instrument_registry.errors import AmbiguousSymbolError, SymbolError, shown
from instrument_registry.lookups.books import Book

_PARTS_OF_OPTION: Final = 5
_PARTS_OF_FUTURE: Final = 4
OPTION_TYPES: Final = {"CE": "CE", "PE": "PE", "CALL": "CE", "PUT": "PE", "C": "CE", "P": "PE"}


@dataclass(slots=True)
class Listed:
    """What is listed on an underlying of one exchange.

    Attributes:
        futures: the canonical id of the future of each expiry.
        options: the canonical ids of the options of each expiry.
    """

    futures: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """Every contract, by underlying and exchange; and what is no contract.

    Attributes:
        listed: by underlying, then by exchange.
        cash: symbol, exchange (`INDEX` of an index), canonical id and company of everything else.
    """

    listed: Mapping[str, Mapping[str, Listed]]
    cash: Sequence[tuple[str, str, str, str]]

    @classmethod
    def of(cls, books: Iterable[Book]) -> Terms:
        """The contracts of all brokers, each once."""
        found: dict[str, dict[str, Listed]] = {}
        cash: list[tuple[str, str, str, str]] = []
        seen: set[str] = set()
        for book in books:
            for identity in (*book.ids, *book.shared_ids):
                if identity in seen:
                    continue
                seen.add(identity)
                parts = identity.split(":")
                if len(parts) < _PARTS_OF_FUTURE:
                    company = book.listed_as(identity)[0][5][2].upper()
                    cash.append((parts[-1], parts[0], identity, company))
                    continue
                listed = found.setdefault(parts[1], {}).setdefault(parts[0], Listed())
                if len(parts) == _PARTS_OF_OPTION:
                    listed.options.setdefault(parts[2], []).append(identity)
                else:
                    listed.futures[parts[2]] = identity
        return cls(found, cash)

    def on(self, underlying: str, exchange: str | None, kind: str) -> tuple[str, Listed] | None:
        """What is listed on an underlying, and at which exchange; None if nothing is.

        Args:
            underlying: Kite's word for it, in any case.
            exchange: `NFO`, ...; needed where several exchanges list it.
            kind: `options` or `futures`.

        Raises:
            AmbiguousSymbolError: several exchanges list it, and none is given.
        """
        name = " ".join(underlying.upper().split())
        found = {
            where: listed
            for where, listed in self.listed.get(name, {}).items()
            if (exchange is None or where == exchange) and getattr(listed, kind)
        }
        if len(found) > 1:
            raise AmbiguousSymbolError(
                underlying, candidates=[f"{where}:{name}" for where in found],
                seen=f"{kind} on {name} are listed at {', '.join(found)}",
                expected="one exchange", next_step="Say exchange=...",
            )  # fmt: skip
        return next(iter(found.items()), None)


def option_id(exchange: str, underlying: str, expiry: str, strike: str, option_type: str) -> str:
    """The canonical id of an option."""
    return f"{exchange}:{' '.join(underlying.upper().split())}:{expiry}:{strike}:{option_type}"


def expiry_text(expiry: date | str) -> str:
    """`YYYY-MM-DD` of a day.

    Raises:
        SymbolError: a text that is no such day.
    """
    try:
        day = date.fromisoformat(expiry) if isinstance(expiry, str) else expiry
    except ValueError:
        raise SymbolError(
            expiry, seen=f"{shown(expiry)} as expiry", expected="a date or YYYY-MM-DD"
        ) from None
    return f"{day:%Y-%m-%d}"


def exact_strike(strike: Decimal | float | str) -> str:
    """The strike as canonical ids have it: `26450`, `390.75`.

    Raises:
        SymbolError: no number above zero.
    """
    from instrument_registry.symbols.notation import strike_text  # noqa: PLC0415 - long to import

    try:
        number = Decimal(str(strike))
    except ArithmeticError:
        number = Decimal("nan")
    if not number.is_finite() or number <= 0 or not -8 <= number.adjusted() < 12:  # noqa: PLR2004
        raise SymbolError(strike, seen=f"{shown(strike)} as strike", expected="a number above 0")
    return strike_text(number)


def option_type_of(text: str) -> str:
    """`CE` or `PE`.

    Raises:
        SymbolError: it is neither.
    """
    found = OPTION_TYPES.get(str(text).upper())
    if found is None:
        raise SymbolError(text, seen=f"{shown(text)} as option type", expected="CE or PE")
    return found


def strike_of(identity: str) -> Decimal:
    """The strike of an option's canonical id."""
    return Decimal(identity.split(":")[3])


def by_strike(identities: Iterable[str]) -> dict[Decimal, dict[str, str]]:
    """Calls and puts of one expiry: strike, then `CE` or `PE`, then the id; ascending."""
    found: dict[Decimal, dict[str, str]] = {}
    for identity in identities:
        found.setdefault(strike_of(identity), {})[identity[-2:]] = identity
    return dict(sorted(found.items()))


def around(strikes: list[Decimal], price: Decimal, each_side: int) -> list[Decimal]:
    """The strikes around the one nearest to a price; of two equally near, the lower one counts."""
    if not strikes:
        return []
    middle = min(range(len(strikes)), key=lambda at: (abs(strikes[at] - price), at))
    return strikes[max(0, middle - each_side) : middle + each_side + 1]
