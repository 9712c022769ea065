"""A lookup as it is told to a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from instrument_registry.errors import (
    AmbiguousSymbolError,
    ConflictingTokenError,
    UnknownSymbolError,
    shown,
)
from instrument_registry.lookups.books import Book, answer, described
from instrument_registry.lookups.resolution import Outcome, Verdict
from instrument_registry.lookups.search import near
from instrument_registry.records import BrokerInstrument

_SHOWN_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a lookup went; `str()` of it is a line a step.

    Attributes:
        symbol: what was asked for.
        broker: of which broker.
        verdict: `found`, `unknown`, `ambiguous` or `token_conflict`.
        result: what `resolve_for_broker` answers.
        reason: why that is None; empty if it is not.
        steps: what was tried, in order, and what each came upon.
        candidates: what answers to the symbol, if it is ambiguous or in conflict.
        suggestions: symbols near to one that is unknown.
    """

    symbol: str
    broker: str
    verdict: str
    result: BrokerInstrument | None
    reason: str
    steps: tuple[str, ...]
    candidates: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{shown(self.symbol)} at {self.broker}: {self.verdict}"]
        lines += [f"  {number}. {step}" for number, step in enumerate(self.steps, start=1)]
        lines += [f"  {self.reason}"] if self.reason else []
        lines += [f"  candidate: {one}" for one in self.candidates]
        lines += [f"  near: {', '.join(self.suggestions)}"] if self.suggestions else []
        return "\n".join(lines)


def explained(outcome: Outcome, symbol: str, broker: str, book: Book | None) -> Explanation:
    """The outcome in words."""
    row = outcome.row
    open_end = outcome.verdict in {Verdict.AMBIGUOUS, Verdict.CONFLICT}
    unknown = outcome.verdict is Verdict.UNKNOWN and book is not None
    return Explanation(
        symbol=symbol,
        broker=broker,
        verdict=outcome.verdict.value,
        result=None if row is None else answer(row),
        reason=outcome.reason,
        steps=tuple(outcome.steps),
        candidates=candidates_of(outcome) if open_end else (),
        suggestions=near(book, symbol) if unknown and book is not None else (),
    )


def candidates_of(outcome: Outcome) -> tuple[str, ...]:
    """What answers to the symbol, a text each."""
    return tuple(described(row) for row in outcome.rows[:_SHOWN_CANDIDATES])


def refuse(outcome: Outcome, symbol: str, broker: str, book: Book | None) -> NoReturn:
    """Raise what stands for an outcome without a row.

    Raises:
        AmbiguousSymbolError, ConflictingTokenError, UnknownSymbolError: by the verdict.
    """
    seen = f"{shown(symbol)}: {outcome.reason}"
    if outcome.verdict is Verdict.AMBIGUOUS:
        candidates = candidates_of(outcome)
        raise AmbiguousSymbolError(
            symbol, broker=broker, candidates=candidates, seen=seen, expected="one instrument",
            next_step=f"Candidates: {'; '.join(candidates)}",
        )  # fmt: skip
    if outcome.verdict is Verdict.CONFLICT:
        raise ConflictingTokenError(
            symbol, broker=broker, seen=seen, expected="a token that brokers agree on",
            next_step="See marts.broker_disagreements",
        )  # fmt: skip
    suggestions = () if book is None else near(book, symbol)
    raise UnknownSymbolError(
        symbol, broker=broker, suggestions=suggestions, seen=seen, expected="a listed symbol",
        next_step=f"Near: {', '.join(suggestions)}" if suggestions else "",
    )  # fmt: skip
