"""What people type: `nifty 26450 ce`, `banknifty aug fut`, `reli`; and what they meant to type."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from instrument_registry.lookups.books import Book
from instrument_registry.lookups.terms import Terms

_TYPES: Final = {"CE": "CE", "CALL": "CE", "PE": "PE", "PUT": "PE", "FUT": "FUT", "FUTURE": "FUT"}
_DAY: Final = re.compile(r"([0-9]{1,2})?([A-Z]{3})(?:[0-9]{2})?")
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-&"
_ORDER: Final = {"INDEX": 0, "NSE": 1, "BSE": 2}
_NEIGHBOURS: Final = 3
_SUGGESTED: Final = 5


@dataclass(frozen=True, slots=True)
class _Query:
    """The words of a query, sorted by what they can be."""

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    month: tuple[int, int] | None
    instrument_type: str | None


def search(terms: Terms, text: str, on: str, limit: int) -> list[str]:
    """Canonical ids of what a person may mean, the likeliest first.

    Args:
        terms: what is listed.
        text: words in any case: the start of a name, and after it in any order a strike or the
            start of one, a month or a day (`24nov`), `ce`, `pe` or `fut`.
        on: `YYYY-MM-DD`; what expired before it is left out.
        limit: how many at most.
    """
    query = _read(text)
    if not (query.names or query.numbers) or limit <= 0:
        return []
    ranked = [*_contracts(terms, query, on), *_cash(terms, query)]
    ranked.sort()
    return [found[-1] for found in ranked[:limit]]


def _read(text: str) -> _Query:
    from instrument_registry.symbols.notation import MONTH_NUMBER  # noqa: PLC0415 - long to import

    names: list[str] = []
    numbers: list[str] = []
    month: tuple[int, int] | None = None
    kind: str | None = None
    for word in text.upper().split():
        dated = _DAY.fullmatch(word)
        if word in _TYPES and names:
            kind = _TYPES[word]
        elif dated and dated[2] in MONTH_NUMBER and names:
            month = (int(dated[1] or 0), MONTH_NUMBER[dated[2]])
        elif _NUMBER.fullmatch(word) and names:
            numbers.append(word)
        else:
            names.append(word)
    return _Query(tuple(names), tuple(numbers), month, kind)


_Ranked = tuple[int, int, str, float, str, str]


def _contracts(terms: Terms, query: _Query, on: str) -> Iterator[_Ranked]:
    name = " ".join(query.names)
    asks_contract = bool(query.numbers or query.month or query.instrument_type)
    for underlying, exchanges in terms.listed.items():
        # As people run it together: `nifty26450ce` is found by its start as well.
        if not underlying.startswith(name):
            continue
        nearness = (0 if underlying == name else 1) if asks_contract else 3
        for listed in exchanges.values():
            if query.instrument_type in {None, "FUT"} and not query.numbers:
                for expiry, identity in listed.futures.items():
                    if expiry >= on and _falls(expiry, query.month):
                        yield nearness, 0, expiry, 0.0, underlying, identity
            if query.instrument_type == "FUT" or not asks_contract:
                continue
            for expiry, identities in listed.options.items():
                if expiry >= on and _falls(expiry, query.month):
                    yield from _options(identities, query, nearness, expiry, underlying)


def _options(
    identities: Iterable[str], query: _Query, nearness: int, expiry: str, underlying: str
) -> Iterator[_Ranked]:
    for identity in identities:
        _, _, _, strike, kind = identity.split(":")
        if query.instrument_type not in {None, kind}:
            continue
        if query.numbers and not strike.startswith(query.numbers[0]):
            continue
        exact = 0 if query.numbers and strike == query.numbers[0] else 1
        yield nearness, exact, expiry, float(strike), underlying, identity


def _falls(expiry: str, month: tuple[int, int] | None) -> bool:
    if month is None:
        return True
    day, number = month
    return int(expiry[5:7]) == number and day in {0, int(expiry[8:10])}


def _cash(terms: Terms, query: _Query) -> Iterator[_Ranked]:
    if query.month or query.instrument_type:
        return
    # With numbers too: `NIFTY 50` is an index, and not a strike of 50 alone.
    name = " ".join((*query.names, *query.numbers))
    for symbol, exchange, identity, company in terms.cash:
        # What has contracts is what most people mean.
        order = _ORDER.get(exchange, 3) + (0 if symbol in terms.listed else 4)
        if symbol == name:
            yield 0, order, "", 0.0, symbol, identity
        elif symbol.startswith(name):
            yield 2, order, "", float(len(symbol)), symbol, identity
        elif company.startswith(name):
            yield 4, order, "", float(len(symbol)), symbol, identity


def near(book: Book, symbol: str) -> tuple[str, ...]:
    """Symbols of the broker that are one slip away from a text, else its neighbours; at most five.

    A slip: a letter too many, too few, another one, or two swapped.
    """
    text = symbol.upper().rpartition(":")[2].strip()[:40]
    if not text:
        return ()
    known: Mapping[str, object] = book.symbols
    found = [slip for slip in _slips(text) if slip in known or slip in book.shared]
    if len(found) < _SUGGESTED:
        symbols = book.in_order()
        at = bisect_left(symbols, text)
        beside = symbols[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]
        found += [one for one in beside if one[:3] == text[:3] and one not in found]
    return tuple(dict.fromkeys(found))[:_SUGGESTED]


def _slips(text: str) -> Iterator[str]:
    for at in range(len(text) + 1):
        head, tail = text[:at], text[at:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        if tail:
            yield head + tail[1:]
        for letter in _LETTERS:
            yield head + letter + tail
            if tail and letter != tail[0]:
                yield head + letter + tail[1:]
