"""How a symbol is looked up when it is not simply the broker's own: step by step, and told.

The given broker's own words come first; the text is never taken for another format than the
broker's as long as it reads in that. Nothing is guessed: what is open stays open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from instrument_registry.broker_names import BROKERS, asked_name, public_name
from instrument_registry.errors import SymbolError, UnknownBroker, shown
from instrument_registry.lookups.books import Book, Row, Rows, described
from instrument_registry.lookups.misreading import reads_otherwise
from instrument_registry.lookups.underlyings import contracts_on

TYPES: Final = frozenset({"EQ", "FUT", "CE", "PE"})


class Verdict(Enum):
    """What came of a lookup."""

    FOUND = "found"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    CONFLICT = "token_conflict"


@dataclass(slots=True)
class Outcome:
    """What a lookup came to, and how.

    Attributes:
        verdict: found or why not.
        rows: the row that was found, or the candidates.
        reason: why nothing was found, in words; empty when something was.
        steps: what was tried, in order.
    """

    verdict: Verdict = Verdict.UNKNOWN
    rows: Rows = ()
    reason: str = ""
    steps: list[str] = field(default_factory=list)

    @property
    def row(self) -> Row | None:
        """The row, if one was found."""
        return self.rows[0] if self.verdict is Verdict.FOUND else None


def book_of(books: Mapping[str, Book], broker: str) -> Book | None:
    """The broker's book; None if it is known but not in this registry.

    Raises:
        UnknownBroker: there is no such broker.
    """
    name = asked_name(broker) if isinstance(broker, str) else broker
    try:
        book = books.get(name)
    except TypeError:
        book = None
    if book is None and name not in BROKERS:
        known = sorted({*BROKERS, *books})
        raise UnknownBroker(
            "", seen=f"{shown(broker)} is no broker", expected=f"one of {', '.join(known)}"
        )
    return book


def find(
    books: Mapping[str, Book], symbol: str, broker: str, instrument_type: str | None = None
) -> Outcome:
    """Look a symbol up for a broker.

    Raises:
        UnknownBroker: there is no such broker.
        SymbolError: there is no such instrument type.
        TypeError: the symbol is no text.
    """
    book = book_of(books, broker)
    if not isinstance(symbol, str):
        raise TypeError(f"a symbol is text, not {type(symbol).__name__}")
    wanted = wanted_type(instrument_type)
    outcome = Outcome()
    if book is None:
        outcome.reason = (
            f"this registry holds no instruments of {public_name(broker)}, "
            f"only of {', '.join(books) or 'nobody'}"
        )
        return outcome
    cleaned = " ".join(symbol.upper().split())
    texts = (symbol,) if symbol == cleaned else (symbol, cleaned)
    for text in texts:
        if _by_id(books, book, text, wanted, outcome) or _own(book, text, wanted, outcome):
            return outcome
    _ = (
        _own_in_other_case(book, cleaned, wanted, outcome)
        or _plain_share(book, cleaned, wanted, outcome)
        or _others(books, book, texts, wanted, outcome)
        or _conflict(book, texts, outcome)
        or _on_underlying(book, cleaned, wanted, outcome)
    )
    if outcome.verdict is Verdict.UNKNOWN and not outcome.reason:
        outcome.reason = f"{book.broker} lists nothing under {shown(symbol)}"
    return outcome


def wanted_type(instrument_type: str | None) -> str | None:
    """The type in the warehouse's words; `SymbolError` if it is none."""
    if instrument_type is None:
        return None
    wanted = instrument_type.strip().upper() if isinstance(instrument_type, str) else ""
    if wanted not in TYPES:
        raise SymbolError(
            instrument_type, seen=f"{shown(instrument_type)} as instrument type",
            expected="EQ, FUT, CE, PE or None",
        )  # fmt: skip
    return wanted


def _settle(rows: Iterable[Row], wanted: str | None, outcome: Outcome, what: str) -> bool:
    """Judge what a step came upon; False if it came upon nothing and the next one is due."""
    found = tuple(rows)
    if not found:
        outcome.steps.append(f"{what}: none")
        return False
    kept = found if wanted is None else tuple(row for row in found if row[4] == wanted)
    told = "; ".join(described(row) for row in found[:5])
    outcome.steps.append(f"{what}: {told}")
    outcome.rows = kept or found
    if len(kept) == 1 and not kept[0][2]:
        outcome.verdict, outcome.reason = Verdict.CONFLICT, _in_conflict(kept[0])
    elif len(kept) == 1:
        outcome.verdict = Verdict.FOUND
    elif kept:
        outcome.verdict = Verdict.AMBIGUOUS
        outcome.reason = f"{len(kept)} instruments answer to it; say the exchange, as in NSE:SYMBOL"
    else:
        outcome.reason = f"what is called so is not of type {wanted} but {found[0][4]}"
    return True


def _by_id(
    books: Mapping[str, Book], book: Book, text: str, wanted: str | None, outcome: Outcome
) -> bool:
    if ":" not in text:
        return False
    if _settle(book.listed_as(text), wanted, outcome, "as a canonical id"):
        return True
    # A canonical id says the same at every broker, whatever this one may call so.
    listed = [other.broker for other in books.values() if other.listed_as(text)]
    if listed:
        outcome.reason = f"it is the canonical id of what {', '.join(listed)} lists, not this one"
    return bool(listed)


def called(book: Book, symbol: str) -> Rows:
    """Every row that a broker calls so, those in conflict too: one of them may be meant as well."""
    rows = book.spelled(symbol)
    return (*rows, *book.conflicts.get(symbol, ())) if rows else _known_too(book, symbol)


def _known_too(book: Book, symbol: str) -> Rows:
    rows = book.conflicts.get(symbol, ())
    # Conflicts alone are told of at the end, when nothing else answers.
    return rows if any(row[2] for row in rows) else ()


def _own(book: Book, text: str, wanted: str | None, outcome: Outcome) -> bool:
    exchange, colon, symbol = text.partition(":")
    if text in book.elsewhere:
        outcome.verdict = Verdict.AMBIGUOUS
        outcome.rows = tuple(row for row in book.rows if row[0] == symbol or row[0] == text)
        outcome.steps.append(f"as its own symbol: {'; '.join(map(described, outcome.rows[:5]))}")
        outcome.reason = (
            f"{book.broker} calls rows so, too, that this registry does not hold; say the "
            "canonical id or the token"
        )
        return True
    if colon:
        rows: Rows = tuple(row for row in called(book, symbol) if row[5][0] == exchange)
        return _settle(rows, wanted, outcome, f"as {book.broker}'s own symbol of {exchange}")
    meant = book.symbols.get(text)
    several = called(book, text) if meant is None or text in book.shared else ()
    if meant is not None and (wanted is None or meant[4] == wanted):
        what = "as its own symbol"
        if several:
            what += ", a share's, which without an exchange means NSE's"
        return _settle((meant,), wanted, outcome, what)
    if several:
        return _one_of_several(book, several, wanted, outcome)
    return _settle(() if meant is None else (meant,), wanted, outcome, "as its own symbol")


def _one_of_several(book: Book, several: Rows, wanted: str | None, outcome: Outcome) -> bool:
    _settle(several, wanted, outcome, "as its own symbol")
    # A type tells a call from a put, never one share from another.
    if outcome.verdict is Verdict.FOUND and outcome.rows[0][4] == "EQ":
        outcome.verdict = Verdict.AMBIGUOUS
    if outcome.verdict is Verdict.AMBIGUOUS:
        outcome.reason = (
            f"{len(several)} of {book.broker}'s rows are called so; say the exchange or the token"
            if len(several) > 1
            else "the same symbol is another instrument elsewhere in the cash market; "
            f"say {several[0][2]}"
        )
    return True


def _own_in_other_case(book: Book, cleaned: str, wanted: str | None, outcome: Outcome) -> bool:
    exchange, colon, symbol = cleaned.rpartition(":")
    rows = book.in_capitals().get(symbol, ())
    if colon:
        rows = tuple(row for row in rows if row[5][0] == exchange)
    return _settle(rows, wanted, outcome, "as its own symbol in small letters")


def _plain_share(book: Book, cleaned: str, wanted: str | None, outcome: Outcome) -> bool:
    if ":" in cleaned:
        return False
    for exchange in ("NSE", "BSE"):
        rows = book.listed_as(f"{exchange}:{cleaned}")
        if rows and cleaned not in book.shared:
            return _settle(rows, wanted, outcome, f"as a share of {exchange}")
    outcome.steps.append("as a share of NSE or BSE: none")
    return False


def _others(
    books: Mapping[str, Book], book: Book, texts: tuple[str, ...], wanted: str | None,
    outcome: Outcome,
) -> bool:  # fmt: skip
    for text in texts:
        exchange, _, symbol = text.rpartition(":")
        found = {
            row[2]: (other.broker, row)
            for other in books.values()
            if other is not book
            for row in called(other, symbol)
            if not exchange or row[5][0] == exchange
        }
        if any(found):
            typed = {one: pair for one, pair in found.items() if wanted in {None, pair[1][4]}}
            return _foreign(book, symbol, typed if any(typed) else found, wanted, outcome)
    outcome.steps.append("as another broker's symbol: none")
    return False


def _foreign(
    book: Book, symbol: str, found: Mapping[str, tuple[str, Row]], wanted: str | None,
    outcome: Outcome,
) -> bool:  # fmt: skip
    whose = "as another broker's symbol"
    if len(found) > 1:
        return _settle((row for _, row in found.values()), wanted, outcome, whose)
    ((identity, (broker, row)),) = found.items()
    if reads_otherwise(symbol, book.broker, identity):
        outcome.steps.append(f"as {broker}'s symbol: {described(row)}")
        outcome.reason = (
            f"{broker} calls {identity} so, but in {book.broker}'s own form it is another "
            f"contract, which is not listed; translate it from {broker}"
        )
        return True
    if _settle(book.listed_as(identity), wanted, outcome, f"as {broker}'s symbol of {identity}"):
        return True
    outcome.reason = f"{broker} calls {identity} so; {book.broker} does not list it"
    return True


def _conflict(book: Book, texts: tuple[str, ...], outcome: Outcome) -> bool:
    for text in texts:
        rows = book.conflicts.get(text.rpartition(":")[2])
        if rows:
            outcome.verdict, outcome.rows = Verdict.CONFLICT, rows
            outcome.reason = _in_conflict(rows[0])
            outcome.steps.append(f"among token conflicts: {described(rows[0])}")
            return True
    return False


def _in_conflict(row: Row) -> str:
    return (
        f"{row[5][3]} lists it, but its exchange token is another contract at another "
        "broker: one of the dumps is out of date, and nobody can say which"
    )


def _on_underlying(book: Book, text: str, wanted: str | None, outcome: Outcome) -> bool:
    rows = contracts_on(book, text, wanted)
    if not rows:
        return False
    _settle(rows, wanted, outcome, f"as an underlying, its {wanted} contracts")
    if outcome.verdict is Verdict.AMBIGUOUS:
        outcome.reason = (
            f"{len(rows)} {wanted} contracts on {text} are listed; say which, by its symbol or "
            "canonical id (futures() and chain() have the nearest first)"
        )
    return True
