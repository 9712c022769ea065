"""Contracts that are asked for by what they are written on: `NFO:NIFTY` and `FUT`."""

from __future__ import annotations

from instrument_registry.lookups.books import Book, Rows

_CONTRACTS = frozenset({"FUT", "CE", "PE"})


def contracts_on(book: Book, text: str, instrument_type: str | None) -> Rows:
    """The broker's contracts of a type on an underlying, the nearest expiry and strike first.

    Args:
        book: the broker's.
        text: `EXCHANGE:UNDERLYING`, with Kite's word for the underlying.
        instrument_type: `FUT`, `CE` or `PE`; of anything else there are none.
    """
    if instrument_type not in _CONTRACTS or text.count(":") != 1:
        return ()
    # Made when first asked for; two threads that ask at once make the same twice.
    if book.on_underlyings is None:
        book.on_underlyings = _by_underlying(book)
    ids = book.on_underlyings.get(f"{text}:{instrument_type}", ())
    return tuple(row for identity in sorted(ids, key=_nearness) for row in book.listed_as(identity))


def _by_underlying(book: Book) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for listed in (book.ids, book.shared_ids):
        for identity in listed:
            exchange, _, rest = identity.partition(":")
            underlying, _, terms = rest.partition(":")
            if terms:
                kind = terms.rpartition(":")[2]
                found.setdefault(f"{exchange}:{underlying}:{kind}", []).append(identity)
    return found


def _nearness(identity: str) -> tuple[str, float]:
    _, _, expiry, *rest = identity.split(":")
    return expiry, float(rest[0]) if len(rest) > 1 else 0.0
