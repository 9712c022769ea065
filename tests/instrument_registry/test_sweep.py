"""Every instrument of real dumps of one day, under every spelling; and spellings that are wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument_registry import snapshot
from instrument_registry.contents import Contents
from instrument_registry.errors import RegistryError
from instrument_registry.records import BrokerRow, Publication
from instrument_registry.registry import Registry
from instrument_registry.resolution import Verdict, find
from tests.instrument_registry import broker_rows, made_rows

OTHER = {"kite": "upstox", "upstox": "zerodha"}


@pytest.fixture(scope="module")
def rows(real_dumps: Path) -> tuple[BrokerRow, ...]:
    return broker_rows.kite_rows(real_dumps) + broker_rows.upstox_rows(real_dumps)


@pytest.fixture(scope="module")
def registry(rows: tuple[BrokerRow, ...], tmp_path_factory) -> Registry:
    """As a process has it: from a snapshot."""
    path = tmp_path_factory.mktemp("sweep") / "registry.snapshot"
    made = Contents.of(rows, Publication(1, as_of_date=date(2026, 8, 17)))
    snapshot.write(path, made)
    read, direct = Registry(snapshot.read(path)), Registry(made)
    for book, other in zip(read._state.books.values(), direct._state.books.values(), strict=True):
        assert (book.symbols, book.shared) == (other.symbols, other.shared)
    return read


def is_nse_share(text: str, row: BrokerRow, found: str) -> bool:
    """A bare share symbol means NSE's share in series EQ, at every broker.

    So it does not mean BSE's of that symbol, nor one in a series that Upstox's symbols leave out.
    """
    return found == f"NSE:{text}" and (
        row.canonical_id == f"BSE:{text}" or str(row.canonical_id).startswith(f"{found}-")
    )


@pytest.mark.real_dumps
@pytest.mark.exhaustive
def test_every_instrument_is_found_under_every_spelling(rows, registry) -> None:
    wrong, refused = [], {"kite": 0, "upstox": 0}
    for row in rows:
        by_token = registry.get_by_broker_token(row.broker, row.broker_token)
        by_id = registry.resolve_for_broker(str(row.canonical_id), row.broker)
        assert by_token == by_id
        assert by_id is not None
        assert (by_id["unified_id"], by_id["symboltoken"]) == (row.canonical_id, row.broker_token)
        assert by_id["tradingsymbol"] == row.tradingsymbol
        for text in (row.tradingsymbol, f"{row.exchange}:{row.tradingsymbol}"):
            found = registry.resolve_for_broker(text, row.broker)
            if found is None:
                refused[row.broker] += ":" in text
            elif found != by_id and not (
                is_nse_share(text, row, found["unified_id"]) or found["unified_id"] == text
            ):
                wrong.append((text, row.canonical_id, found["unified_id"]))
    assert not wrong
    # With its exchange said, each symbol of Kite is one instrument. Upstox leaves the series out:
    # NSE:IMC1 is three bonds, and 35 shares that it lists in series BE are in EQ at Kite, whose
    # NSE and BSE rows are twelve days older.
    assert refused == {"kite": 0, "upstox": 38}


@pytest.mark.real_dumps
@pytest.mark.exhaustive
def test_what_is_refused_is_ambiguous_and_says_all_it_can_be(rows, registry) -> None:
    books = registry._state.books
    for row in rows:
        outcome = find(books, row.tradingsymbol, row.broker)
        if outcome.verdict is Verdict.FOUND:
            continue
        told = registry.explain(row.tradingsymbol, row.broker)
        assert told.verdict == "ambiguous", told
        assert told.candidates
        assert any(str(row.canonical_id) in one for one in told.candidates), (row, told)


@pytest.mark.real_dumps
@pytest.mark.exhaustive
def test_no_symbol_is_another_contract_at_another_broker(rows, registry) -> None:
    wrong, found_there = [], 0
    for row in rows:
        for text in (row.tradingsymbol, f"{row.exchange}:{row.tradingsymbol}"):
            found = registry.resolve_for_broker(text, OTHER[row.broker])
            if found is None:
                continue
            identity = found["unified_id"]
            found_there += identity == row.canonical_id
            # `NSE:CHOLAFIN` is a canonical id, whatever series Upstox calls so.
            if identity not in {row.canonical_id, text} and not is_nse_share(text, row, identity):
                wrong.append((text, row.canonical_id, identity))
    assert not wrong
    assert found_there > 400_000


@pytest.mark.real_dumps
@pytest.mark.exhaustive
def test_contracts_translate_there_and_back(rows, registry) -> None:
    translated = 0
    for row in rows:
        if row.broker == "upstox" and row.exchange in {"NFO", "BFO"}:
            kite = registry.translate(row.tradingsymbol, "upstox", "zerodha")
            assert kite is not None
            assert registry.translate(f"{row.exchange}:{kite}", "kite", "upstox") == (
                row.tradingsymbol
            )
            translated += 1
    assert translated == 39_522


# --- wrong spellings ---

SMALL = Registry.of_rows(made_rows.market(), made_rows.PUBLICATION)
KNOWN = sorted({row.tradingsymbol for row in made_rows.market()})
BROKERS = ("zerodha", "kite", "angel_one", "dhan", "upstox", "nobody", "")
LETTERS = st.characters(min_codepoint=32, max_codepoint=0x2FF) | st.sampled_from(
    "0\u0663\uff1a\x00\x1f"
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(KNOWN) | st.text(LETTERS, max_size=30))
    prefix = draw(st.sampled_from(["", "", "NSE:", "NFO:", "INDEX:", "nse:", ":", "::"]))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 2))
        text = text[:at] + draw(st.text(LETTERS, max_size=2)) + text[at + cut :]
    return prefix + text


@given(mutated(), st.sampled_from(BROKERS), st.sampled_from([None, "EQ", "ce", "FUT", "OPT"]))
@settings(max_examples=600, deadline=None)
def test_wrong_symbols_raise_documented_errors_only(text, broker, kind) -> None:
    for ask in (SMALL.resolve_for_broker, SMALL.require_for_broker, SMALL.explain):
        try:
            ask(text, broker, kind)
        except RegistryError:
            continue
    for ask in (
        lambda: SMALL.resolve_symbol(text),
        lambda: SMALL.resolve_symbol(text, "NSE"),
        lambda: SMALL.get_by_broker_token(broker, text, kind),
        lambda: SMALL.translate(text, broker, "upstox"),
        lambda: SMALL.option(text, "2026-08-25", text, text),
        lambda: SMALL.futures(text),
        lambda: SMALL.chain(text, text),
    ):
        try:
            ask()
        except RegistryError:
            continue
    assert isinstance(SMALL.search(text), tuple)
    assert SMALL.get_by_unified_id(text) is None or ":" in text


@given(mutated(), st.sampled_from(BROKERS[:5]))
@settings(max_examples=600, deadline=None)
def test_the_three_ways_to_ask_agree(text: str, broker: str) -> None:
    found = SMALL.resolve_for_broker(text, broker)
    told = SMALL.explain(text, broker)
    assert told.result == found
    assert (told.verdict == "found") == (found is not None) == (not told.reason)
    if found is None:
        with pytest.raises(RegistryError) as refused:
            SMALL.require_for_broker(text, broker)
        assert told.reason in str(refused.value)
    else:
        assert SMALL.require_for_broker(text, broker) == found
        # Whatever was typed, the answer is found again by what it says of itself.
        assert SMALL.get_by_broker_token(broker, found["symboltoken"], found["exchange"]) == found
        assert SMALL.resolve_for_broker(found["unified_id"], broker) == found
