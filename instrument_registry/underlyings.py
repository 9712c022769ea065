"""Contracts that are asked for by what they are written on: `NFO:NIFTY` and `FUT`."""

from __future__ import annotations

from instrument_registry.books import Book, Rows

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
    start, end = f"{text}:", f":{instrument_type}"
    # Over all ids: it is asked for when nothing else was found, which is seldom.
    ids = [
        identity
        for listed in (book.ids, book.shared_ids)
        for identity in listed
        if identity.startswith(start) and identity.endswith(end)
    ]
    return tuple(row for identity in sorted(ids, key=_nearness) for row in book.listed_as(identity))


def _nearness(identity: str) -> tuple[str, float]:
    _, _, expiry, *rest = identity.split(":")
    return expiry, float(rest[0]) if len(rest) > 1 else 0.0
