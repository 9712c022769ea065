"""Which brokers' grammars are known, and which form of them an exchange takes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from instrument_registry.errors import ContractInvalid, UnknownBroker, UnknownExchange, shown
from instrument_registry.symbols import angel_one, dhan, kite, openalgo, upstox
from instrument_registry.symbols.contracts import (
    DERIVATIVE_EXCHANGES,
    Contract,
    Index,
    Kind,
    Reading,
    Share,
)
from instrument_registry.symbols.grammar import DerivativeForm, Grammar, ShareForm
from instrument_registry.symbols.listing import ListedExpiries

_GRAMMARS: Final[Mapping[str, Grammar]] = MappingProxyType(
    {
        "angel_one": angel_one.GRAMMAR,
        "dhan": dhan.GRAMMAR,
        "kite": kite.GRAMMAR,
        "openalgo": openalgo.GRAMMAR,
        "upstox": upstox.GRAMMAR,
        "upstox_csv": upstox.CSV_GRAMMAR,
        "zerodha": kite.GRAMMAR,
    }
)
BROKERS: Final = tuple(_GRAMMARS)
_Form = TypeVar("_Form", DerivativeForm, ShareForm)


def grammar_of(broker: str) -> Grammar:
    """The grammar under that name; `UnknownBroker` if there is none."""
    try:
        return _GRAMMARS[broker]
    except KeyError:
        raise UnknownBroker(
            "", broker=broker, seen=f"{shown(broker)} is no broker whose symbols are known",
            expected=f"one of {', '.join(BROKERS)}",
        ) from None  # fmt: skip


def read(
    grammar: Grammar, symbol: str, exchange: str, kind: Kind | None, series: str | None
) -> tuple[tuple[Reading, ...], str]:
    """The readings of a symbol, none if it does not fit, and in words what was expected.

    Raises:
        UnknownExchange: the broker's grammar is not known for that exchange or kind.
    """
    if kind is Kind.INDEX:
        _require_index_names(grammar)
        return _index(symbol), "an index's name"
    if kind is Kind.CASH or (kind is None and exchange not in DERIVATIVE_EXCHANGES):
        share_form = _of_exchange(grammar, grammar.shares, exchange, "shares")
        share = share_form.read(symbol, exchange, series)
        return (() if share is None else (share,)), share_form.expected
    form = _of_exchange(grammar, grammar.derivatives, exchange, "futures and options")
    found = form.read(symbol, exchange)
    if kind is not None:
        found = tuple(reading for reading in found if reading.kind is kind)
    return found, form.expected


def write(grammar: Grammar, contract: Contract, listed: ListedExpiries | None) -> str | None:
    """The symbol of a contract; None if the grammar needs what the contract leaves open.

    Raises:
        UnknownExchange: the broker's grammar is not known for that exchange or kind.
        ExpiryUnresolved: the spelling hangs on listed expiries that do not say it.
    """
    if isinstance(contract, Index):
        _require_index_names(grammar)
        return contract.symbol
    if isinstance(contract, Share):
        form = _of_exchange(grammar, grammar.shares, contract.exchange, "shares")
        return form.write(contract)
    forms = grammar.derivatives
    return _of_exchange(grammar, forms, contract.exchange, "futures and options").write(
        contract, listed
    )


def _of_exchange(grammar: Grammar, forms: Mapping[str, _Form], exchange: str, what: str) -> _Form:
    form = forms.get(exchange)
    if form is None:
        raise UnknownExchange(
            "", broker=grammar.broker,
            seen=f"{shown(exchange)} is no exchange whose {what} are known",
            expected=f"one of {', '.join(sorted(forms))}",
        )  # fmt: skip
    return form


def _require_index_names(grammar: Grammar) -> None:
    if not grammar.has_index_names:
        raise UnknownExchange(
            "", broker=grammar.broker,
            seen="indices go by names of the broker's own there",
            expected="kite, whose index names are the canonical ones",
            next_step="Translate the name with the alias table first",
        )  # fmt: skip


def _index(symbol: str) -> tuple[Reading, ...]:
    try:
        return (Index(symbol),)
    except ContractInvalid:
        return ()
