"""Four threads that look up while publications change: no error, and no answer of two of them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from instrument_registry.lookups.contract_lookups import ChainRow
from instrument_registry.records import Publication
from instrument_registry.registry import Registry
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows

THREADS = 4
# Of each thread, however slow the machine; the second only ends what hangs.
ANSWERS = 50
SECONDS = 60
IDS = made_rows.nifty_ids()
SYMBOLS = [f"S{at}" for at in range(len(IDS))]


def contents(number: int) -> Contents:
    """Of publication 1 every token begins with 1, of 2 with 2; so do symbols at Upstox."""
    rows = [
        made_rows.row(broker, one, f"{letter}{at}", number * 1000 + at)
        for at, one in enumerate(IDS)
        for broker, letter in (("kite", "S"), ("upstox", f"U{number}-"))
    ]
    return Contents.of(rows, Publication(number))


def of_chain(registry: Registry) -> set[str]:
    sides = (side for row in registry.chain("NIFTY", made_rows.EXPIRIES[0]) for side in row_of(row))
    return {side["symboltoken"][0] for side in sides}


def row_of(row: ChainRow) -> Iterator[dict[str, str]]:
    for side in (row.call, row.put):
        if side is not None:
            yield from side.brokers.values()  # type: ignore[misc]


def of_symbols(registry: Registry) -> set[str]:
    return {one["symboltoken"][0] for one in registry.resolve_many(SYMBOLS, "kite") if one}


def of_tokens(registry: Registry) -> set[str]:
    tokens = [number * 1000 + at for at in range(len(IDS)) for number in (1, 2)]
    found = registry.get_many_by_broker_token("kite", tokens)
    return {one["symboltoken"][0] for one in found if one}


def of_ids(registry: Registry) -> set[str]:
    found = registry.get_many_by_unified_id(IDS)
    return {side["symboltoken"][0] for one in found if one for side in one.brokers.values()}


def of_translations(registry: Registry) -> set[str]:
    return {str(one)[1] for one in registry.translate_many(SYMBOLS, "kite", "upstox")}


def of_options(registry: Registry) -> set[str]:
    wanted = [("NIFTY", one.split(":")[2], one.split(":")[3], one[-2:]) for one in IDS[2:]]
    found = registry.options(wanted)
    return {side["symboltoken"][0] for one in found if one for side in one.brokers.values()}


Asking = Callable[[Registry], set[str]]
BATCHES: list[Asking] = [of_chain, of_symbols, of_tokens, of_ids, of_translations, of_options]


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def seen_meanwhile(registry: Registry, ask: Asking, refreshes: int) -> list[set[str]]:
    """What answers were of both publications, or of none, while each took the other's place."""
    first, second = contents(1), contents(2)
    registry.show(first)
    done = threading.Event()
    wrong: list[set[str]] = []
    answers = [0] * THREADS
    errors: list[BaseException] = []

    def read(which: int) -> None:
        try:
            while not done.is_set():
                found = ask(registry)
                answers[which] += 1
                if len(found) != 1:
                    wrong.append(found)
        except BaseException as error:  # noqa: BLE001 - told by the thread that can
            errors.append(error)

    readers = [threading.Thread(target=read, args=(which,)) for which in range(THREADS)]
    for reader in readers:
        reader.start()
    until = time.monotonic() + SECONDS
    while not (wrong or errors) and time.monotonic() < until:
        registry.show(second)
        registry.show(first)
        refreshes -= 1
        if refreshes <= 0 and min(answers) >= ANSWERS:
            break
    done.set()
    for reader in readers:
        reader.join()
    assert not errors
    assert wrong or min(answers) >= ANSWERS
    return wrong


@pytest.mark.parametrize("ask", BATCHES, ids=lambda one: one.__name__)
def test_an_answer_is_of_one_publication(ask: Asking) -> None:
    assert seen_meanwhile(Registry(contents(1)), ask, refreshes=60) == []


def of_symbols_one_by_one(registry: Registry) -> set[str]:
    found = (registry.resolve_for_broker(one, "kite") for one in SYMBOLS)
    return {one["symboltoken"][0] for one in found if one}


def test_lookups_one_after_the_other_may_be_of_two_and_this_shows_it() -> None:
    """What would be seen of a batch that did not stay with one: the test above can fail."""
    registry = Registry(contents(1))
    assert seen_meanwhile(registry, of_symbols_one_by_one, refreshes=3000)


def test_a_registry_as_it_is_stays_with_its_publication() -> None:
    registry = Registry(contents(1))
    kept = registry.as_it_is()
    registry.show(contents(2))
    assert (kept.publication.number, registry.publication.number) == (1, 2)
    assert of_symbols_one_by_one(kept) == {"1"}
    assert seen_meanwhile(registry, lambda one: of_symbols_one_by_one(one.as_it_is()), 30) == []
