"""The sweep over real dumps (`tests/dbt/test_every_spelling.py`) finds what it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from instrument_registry import registry as lookups
from instrument_registry.broker_names import GRAMMARS, public_name
from instrument_registry.errors import SymbolError
from instrument_registry.lookups import resolution, state
from instrument_registry.lookups.books import Book, Rows
from instrument_registry.lookups.resolution import Outcome, Verdict, find
from instrument_registry.registry import Registry
from instrument_registry.symbols import Undated, canonical_id, readings
from tests.instrument_registry import made_rows
from tests.instrument_registry.sweeping import (
    Published,
    Swept,
    sweep_lost,
    sweep_others,
    sweep_own,
)

WEEKS = "NIFTY-Aug2026-24900-PE"
MARKET = [
    *made_rows.market(),
    # In Angel One's form, Kite's symbol of 24800 in August 2026 is this one.
    made_rows.row("kite", "NFO:NIFTY:2024-08-26:800:CE", "NIFTY24826800CE", 1282),
    # A week of the month in conflict, which Dhan calls as it calls the others.
    made_rows.row("dhan", "NFO:GOLD:2026-08-25:100:CE", "GOLD-Aug2026-100-CE", 77),
    made_rows.row("dhan", None, "GOLD-Aug2026-100-CE", 78, kind="CE", exchange="NFO"),
]


def swept(registry: Registry) -> list[Swept]:
    published = Published(MARKET)
    return [sweep(published, registry) for sweep in (sweep_own, sweep_others, sweep_lost)]


def test_a_registry_as_it_is_leaves_nothing_unexplained() -> None:
    own, others, lost = swept(Registry.of_rows(MARKET))
    assert [own.wrong, others.wrong, lost.wrong] == [[], [], []]
    assert own.of("zerodha", "canonical id") == {"itself": 82}
    assert own.of("dhan", "symbol")["repeated"] > 1
    assert others.of("upstox", "symbol")["the same"] > 100
    assert lost.of("dhan", "symbol") == {"token_conflict": 1, "ambiguous": 1}


def without_one_row(_: pytest.MonkeyPatch) -> Registry:
    return Registry.of_rows(MARKET[1:])


def with_conflicts_let_out(_: pytest.MonkeyPatch) -> Registry:
    return Registry.of_rows(
        row if row.canonical_id else row._replace(canonical_id=f"NFO:LOST:2026-08-25:{at}:CE")
        for at, row in enumerate(MARKET, start=1)
    )


def with_conflicts_forgotten(patch: pytest.MonkeyPatch) -> Registry:
    patch.setattr(state, "_leave_open_what_conflicts_share", id)
    patch.setattr(resolution, "called", lambda book, symbol: book.spelled(symbol))
    return Registry.of_rows(MARKET)


def with_tokens_of_any_exchange(patch: pytest.MonkeyPatch) -> Registry:
    def numbered(book: Book, token: str, _: str | None) -> Rows:
        return book.numbered(token)[:1]

    patch.setattr(lookups, "_numbered", numbered)
    return Registry.of_rows(MARKET)


Find = Callable[[Mapping[str, Book], str, str, str | None], Outcome]


def asking(patch: pytest.MonkeyPatch, instead: Find) -> Registry:
    """A registry whose every lookup of a symbol goes another way."""
    patch.setattr(lookups, "find", instead)
    registry = Registry.of_rows(MARKET)
    registry._state.quick = {}
    return registry


def with_another_brokers_grammar_first(patch: pytest.MonkeyPatch) -> Registry:
    def wrongly(
        books: Mapping[str, Book], symbol: str, broker: str, kind: str | None = None
    ) -> Outcome:
        own = public_name(broker)
        for other in books:
            try:
                found = readings(symbol, GRAMMARS[other], "NFO") if other != own else ()
            except SymbolError:
                continue
            for reading in found:
                row = None
                if not isinstance(reading, Undated):
                    row = books[own].ids.get(canonical_id(reading))
                if row is not None:
                    return Outcome(Verdict.FOUND, (row,))
        return find(books, symbol, broker, kind)

    return asking(patch, wrongly)


def with_the_first_of_several_taken(patch: pytest.MonkeyPatch) -> Registry:
    def wrongly(
        books: Mapping[str, Book], symbol: str, broker: str, kind: str | None = None
    ) -> Outcome:
        outcome = find(books, symbol, broker, kind)
        if outcome.verdict is Verdict.AMBIGUOUS:
            outcome.verdict, outcome.rows = Verdict.FOUND, outcome.rows[:1]
        return outcome

    return asking(patch, wrongly)


def with_any_brokers_row_given(patch: pytest.MonkeyPatch) -> Registry:
    def wrongly(
        books: Mapping[str, Book], symbol: str, broker: str, kind: str | None = None
    ) -> Outcome:
        for book in books.values():
            if rows := book.spelled(symbol):
                return Outcome(Verdict.FOUND, rows[:1])
        return find(books, symbol, broker, kind)

    return asking(patch, wrongly)


@pytest.mark.parametrize(
    "mutated",
    [
        without_one_row, with_conflicts_let_out, with_conflicts_forgotten,
        with_tokens_of_any_exchange, with_another_brokers_grammar_first,
        with_the_first_of_several_taken, with_any_brokers_row_given,
    ],
    ids=lambda one: one.__name__,
)  # fmt: skip
def test_a_registry_that_is_wrong_is_caught(
    monkeypatch: pytest.MonkeyPatch, mutated: Callable[[pytest.MonkeyPatch], Registry]
) -> None:
    found = swept(mutated(monkeypatch))
    assert sum(one.unexplained for one in found) > 0
