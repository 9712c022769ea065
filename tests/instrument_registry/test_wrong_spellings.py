"""Whatever is asked, and of whatever broker: the documented errors or an answer, nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from instrument_registry.errors import (
    AmbiguousSymbolError,
    ConflictingTokenError,
    RegistryError,
    SymbolError,
    UnknownBroker,
    UnknownSymbolError,
)
from instrument_registry.registry import Registry
from tests.instrument_registry import made_rows

SMALL = Registry.of_rows(made_rows.market(), made_rows.PUBLICATION)
KNOWN = sorted({row.tradingsymbol for row in made_rows.market()})
IDS = sorted({row.canonical_id for row in made_rows.market() if row.canonical_id})
TOKENS = sorted({row.broker_token for row in made_rows.market()})
BROKERS = ("zerodha", "kite", "angel_one", "dhan", "upstox", "ANGEL_ONE", "nobody", "")
LETTERS = st.characters(min_codepoint=32, max_codepoint=0x2FF) | st.sampled_from(
    "0\u0663\uff1a\x00\x1f\u2028\U0001f600\ud800"
)


@st.composite
def mutated(draw: st.DrawFn, known: list[str] = KNOWN) -> str:
    """What somebody lists, changed in up to three places, or no such thing at all."""
    text = draw(st.sampled_from(known) | st.text(LETTERS, max_size=30))
    prefix = draw(st.sampled_from(["", "", "NSE:", "NFO:", "INDEX:", "nse:", ":", "::"]))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 2))
        text = text[:at] + draw(st.text(LETTERS, max_size=2)) + text[at + cut :]
    return prefix + text


Documented = set[type[RegistryError]]
# What each lookup's docstring says that it raises: exactly these, no kind of them.
BY_BROKER: Documented = {UnknownBroker, SymbolError}
REQUIRED = BY_BROKER | {UnknownSymbolError, AmbiguousSymbolError, ConflictingTokenError}
BY_TERMS: Documented = {AmbiguousSymbolError, SymbolError}


def only(documented: Documented, ask: Callable[[], object]) -> object:
    """The answer, None for a documented refusal; any other error goes through."""
    try:
        return ask()
    except RegistryError as error:
        if type(error) not in documented or not str(error):
            raise
        return None


@given(
    mutated() | mutated(IDS), st.sampled_from(BROKERS) | mutated(list(BROKERS)),
    st.sampled_from([None, "EQ", "ce", "FUT", "OPT", ""]), st.sampled_from(BROKERS),
)  # fmt: skip
@settings(max_examples=600, deadline=None)
def test_wrong_symbols_raise_documented_errors_only(text, broker, kind, other) -> None:
    only(BY_BROKER, lambda: SMALL.resolve_for_broker(text, broker, kind))
    only(BY_BROKER, lambda: SMALL.resolve_many([text], broker, kind))
    told = only(BY_BROKER, lambda: SMALL.explain(text, broker, kind))
    assert told is None or str(told)
    only(REQUIRED, lambda: SMALL.require_for_broker(text, broker, kind))
    only(REQUIRED, lambda: SMALL.translate(text, broker, other))
    only({AmbiguousSymbolError}, lambda: SMALL.resolve_symbol(text))
    only({AmbiguousSymbolError}, lambda: SMALL.resolve_symbol(text, kind))
    found = SMALL.get_by_unified_id(text)
    assert found is None or found.unified_id == text
    assert len(SMALL.search(text)) <= 10


@given(
    mutated(TOKENS) | st.integers(), st.sampled_from(BROKERS) | mutated(list(BROKERS)),
    st.none() | st.sampled_from(["NSE", "nfo", "NSE_FO", "D", ""]) | mutated(["NSE_EQ"]),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_wrong_tokens_raise_documented_errors_only(token, broker, segment) -> None:
    found = only(
        {UnknownBroker, AmbiguousSymbolError},
        lambda: SMALL.get_by_broker_token(broker, token, segment),
    )
    assert found is None or str(token).strip() in found["symboltoken"]  # type: ignore[index]


UNDERLYINGS = ["NIFTY", "USDINR", "RELIANCE", "GAIL"]
DAYS = [str(day) for day in made_rows.EXPIRIES]


@given(
    mutated(UNDERLYINGS), mutated(DAYS) | st.dates(),
    mutated(["24800", "390.75"]) | st.floats() | st.decimals(allow_nan=True),
    mutated(["CE", "PE", "call"]), st.none() | mutated(["NFO", "CDS"]),
)  # fmt: skip
@example("NIFTY", "2026-08-25", "sNaN", "CE", None)
@example("NIFTY", "2026-08-25", "1e999999999", "CE", None)
@settings(max_examples=600, deadline=None)
def test_terms_that_are_none_raise_documented_errors_only(name, day, strike, kind, exchange):
    for ask in (
        lambda: SMALL.option(name, day, strike, kind, exchange),
        lambda: SMALL.options([(name, day, strike, kind)]),
        lambda: SMALL.futures(name, exchange, day),
        lambda: SMALL.expiries(name, exchange, day),
        lambda: SMALL.nearest_expiry(name, exchange),
        lambda: SMALL.chain(name, day, exchange),
        lambda: SMALL.chain(name),
        lambda: SMALL.around_the_money(name, strike, day, each_side=-1, exchange=exchange),
    ):
        only(BY_TERMS, ask)
    assert len(SMALL.search(f"{name} {strike} {day} {kind}", 3)) <= 3


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
