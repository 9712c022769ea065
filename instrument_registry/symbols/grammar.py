"""The shape of a grammar: how derivatives and shares are read and written, exchange by exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from instrument_registry.symbols.contracts import Derivative, Reading, Share
from instrument_registry.symbols.listing import ListedExpiries


@dataclass(frozen=True, slots=True)
class DerivativeForm:
    """How futures and options are spelled.

    Attributes:
        expected: the form in words, for messages.
        read: every reading of a symbol of an exchange; none if it is not of this form.
        write: the symbol of a contract. Where that hangs on the listed expiries and they do not
            say it, `ExpiryUnresolved`.
    """

    expected: str
    read: Callable[[str, str], tuple[Reading, ...]]
    write: Callable[[Derivative, ListedExpiries | None], str]


@dataclass(frozen=True, slots=True)
class ShareForm:
    """How symbols of the cash market are spelled.

    Attributes:
        expected: the form in words, for messages.
        read: the share of a symbol, an exchange and the series that the caller knows (None if
            unknown); None if the symbol is not of this form or contradicts the series.
        write: the symbol of a share; None if the form needs what the share leaves open.
    """

    expected: str
    read: Callable[[str, str, str | None], Share | None]
    write: Callable[[Share], str | None]


@dataclass(frozen=True, slots=True)
class Grammar:
    """One broker's spelling.

    Attributes:
        broker: its name.
        derivatives: the form by exchange; exchanges whose rows were never seen are left out.
        shares: the form by exchange.
        has_index_names: whether index symbols are the canonical (Kite's) names. Elsewhere they are
            the broker's own words, and an alias table has to translate them first.
    """

    broker: str
    derivatives: Mapping[str, DerivativeForm]
    shares: Mapping[str, ShareForm]
    has_index_names: bool = False
