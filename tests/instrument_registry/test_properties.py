"""Promises over generated contracts and garbage, for every broker."""

from __future__ import annotations

import contextlib
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from instrument_registry import symbols
from instrument_registry.errors import (
    CanonicalIdNotRead,
    ExpiryContradicted,
    ExpiryUnresolved,
    SymbolAmbiguous,
    SymbolNotRead,
    UnknownExchange,
)
from instrument_registry.symbols import (
    Contract,
    Derivative,
    Future,
    Index,
    Kind,
    ListedExpiries,
    ListedExpiry,
    Option,
    OptionType,
    Share,
    Undated,
)

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
EXCHANGES = {
    "angel_one": ("NFO", "BFO", "CDS", "MCX", "NCO", "NCDEX"),
    "dhan": ("NFO", "BFO", "CDS", "BCD", "MCX", "NCO"),
    "kite": ("NFO", "BFO", "CDS", "BCD", "MCX", "NCO"),
    "openalgo": ("NFO", "BFO", "CDS", "BCD", "MCX", "NCO"),
    "upstox": ("NFO", "BFO", "CDS", "BCD", "MCX", "NCO"),
    "upstox_csv": ("NFO", "BFO", "CDS", "BCD", "MCX", "NCO"),
}
ALL = ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO", "NCDEX")

# Names that begin and end in a letter or digit, real ones with digits at the end among them. One
# that ends as an expiry does could not be told from it: those are refused (see test_grammars).
names = st.one_of(
    st.sampled_from(["NIFTY", "NIFTYNXT50", "SENSEX", "SENSEX50", "M&M", "BAJAJ-AUTO", "360ONE"]),
    st.from_regex(r"[A-Z0-9]([A-Z0-9&-]{0,12}[A-Z])?", fullmatch=True),
)
days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
strikes = st.one_of(
    st.integers(1, 10**7).map(Decimal),
    st.decimals("0.0001", "999999", places=4).filter(lambda strike: strike > 0),
)
types = st.sampled_from(OptionType)


@st.composite
def derivatives(draw: st.DrawFn, exchanges: tuple[str, ...]) -> Derivative:
    exchange, name, day = draw(st.sampled_from(exchanges)), draw(names), draw(days)
    # Otherwise NIFTY26AUG would be read as an expiry of NIFTY.
    assume(not any(name.endswith(month) for month in MONTHS))
    if draw(st.booleans()):
        return Future(exchange, name, day)
    return Option(exchange, name, day, draw(strikes), draw(types))


def listing(contract: Derivative, others: list[date]) -> ListedExpiries:
    where = (contract.exchange, contract.underlying, contract.kind)
    # Marked as a source would: the last of each month is the monthly one, for currencies too.
    every = {contract.expiry, *others}
    marked = (
        ListedExpiry(
            *where, day,
            is_monthly=day == max(d for d in every if (d.year, d.month) == (day.year, day.month)),
        )
        for day in every
    )  # fmt: skip
    # NCDEX's options are on futures, whose month is part of the symbol.
    futures = (ListedExpiry(*where[:2], Kind.FUTURE, day) for day in every)
    return ListedExpiries.of([*marked, *(futures if contract.exchange == "NCDEX" else ())])


@pytest.mark.parametrize("broker", sorted(EXCHANGES))
@given(data=st.data(), others=st.lists(st.integers(1, 28), max_size=4))
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back(broker: str, data: st.DataObject, others: list[int]) -> None:
    contract = data.draw(derivatives(EXCHANGES[broker]))
    listed = listing(contract, [contract.expiry.replace(day=day) for day in others])
    text = symbols.format(contract, broker, listed=listed)
    found, *more = possible(text, broker, contract, listed)
    if more:
        # Dhan's text alone leaves several days open, and then says so.
        assert broker == "dhan"
        assert contract in (found, *more)
        assert len({each.expiry for each in (found, *more)}) == 1 + len(more)
    else:
        assert found == contract


@pytest.mark.parametrize("broker", sorted(EXCHANGES))
@given(data=st.data(), others=st.lists(st.integers(1, 28), max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back_with_the_expiry_of_its_row(
    broker: str, data: st.DataObject, others: list[int]
) -> None:
    """Of every broker alike, whatever else is listed in that month."""
    contract = data.draw(derivatives(EXCHANGES[broker]))
    listed = listing(contract, [contract.expiry.replace(day=day) for day in others])
    text = symbols.format(contract, broker, listed=listed)
    for calendar in (None, listed):
        found = symbols.parse(
            text, broker, contract.exchange, underlyings={contract.underlying},
            listed=calendar, expiry=contract.expiry,
        )  # fmt: skip
        assert found == contract


@given(
    contract=derivatives(EXCHANGES["upstox"]), day=days, broker=st.sampled_from(sorted(EXCHANGES))
)
@settings(deadline=None)
def test_another_day_is_never_taken_for_what_the_text_says(
    contract: Derivative, day: date, broker: str
) -> None:
    assume(contract.exchange in EXCHANGES[broker])
    text = symbols.format(contract, broker, listed=listing(contract, []))
    try:
        found = symbols.parse(text, broker, contract.exchange, expiry=day)
    except (ExpiryContradicted, SymbolAmbiguous):
        return
    assert isinstance(found, Derivative)
    assert found.expiry == day
    assert text in {
        symbols.format(found, broker, listed=listing(found, [])),
        # A weekly contract's month without the day is its monthly one's, for all the text says.
        symbols.format(found, broker, listed=ListedExpiries.of([
            ListedExpiry(found.exchange, found.underlying, kind, day, is_monthly=True)
            for kind in Kind
        ])),
    }  # fmt: skip


def possible(
    text: str, broker: str, contract: Derivative, listed: ListedExpiries
) -> tuple[Derivative, ...]:
    """What the text is read as; all that it can be, where that is refused."""
    try:
        found = symbols.parse(
            text, broker, contract.exchange, listed=listed, underlyings={contract.underlying}
        )
    except SymbolAmbiguous as error:
        return error.candidates
    assert isinstance(found, Derivative)
    return (found,)


@given(contract=derivatives(ALL[2:]))
@settings(deadline=None)
def test_without_a_calendar_a_reading_holds_every_term_that_the_text_has(
    contract: Derivative,
) -> None:
    listed = listing(contract, [])
    for broker in sorted(EXCHANGES):
        if contract.exchange not in EXCHANGES[broker]:
            continue
        text = symbols.format(contract, broker, listed=listed)
        found = symbols.readings(text, broker, contract.exchange)
        assert contract in [
            each.on(contract.expiry)
            if isinstance(each, Undated)
            and (each.month.year, each.month.month) == (contract.expiry.year, contract.expiry.month)
            else each
            for each in found
        ]


shares = st.one_of(
    st.builds(
        Share,
        st.just("NSE"),
        st.from_regex(r"[A-Z0-9]([A-Z0-9&-]{0,8}[A-Z0-9])?", fullmatch=True),
        st.from_regex(r"[A-Z0-9]{2}", fullmatch=True),
    ),
    st.builds(
        Share,
        st.just("BSE"),
        st.from_regex(r"[A-Z0-9]([A-Z0-9&.$* -]{0,8}[A-Z0-9])?", fullmatch=True),
    ),
)


@given(share=shares)
@example(share=Share("NSE", "AB-CD", "EQ"))
def test_a_share_is_read_back_given_its_series(share: Share) -> None:
    for broker in sorted(EXCHANGES):
        text = symbols.format(share, broker)
        assert symbols.parse(text, broker, share.exchange, series=share.series) == share


indices = st.builds(Index, st.from_regex(r"[A-Z0-9^]([A-Z0-9 &.-]{0,20}[A-Z0-9])?", fullmatch=True))


@given(contract=st.one_of(derivatives(ALL[2:]), shares, indices))
def test_a_canonical_id_is_read_back(contract: Contract) -> None:
    text = symbols.canonical_id(contract)
    back = symbols.parse_canonical_id(text)
    # An EQ share whose symbol looks like SYMBOL-SERIES has the id that Kite's symbol gives it.
    assert symbols.canonical_id(back) == text
    if not (isinstance(contract, Share) and contract.series == "EQ"):
        assert back == contract


REAL = [
    "NIFTY26AUG24800CE", "NIFTY2681824800CE", "NIFTY26O0624800CE", "NIFTY11NOV2524800CE",
    "EURUSD25DEC.965CE", "DHANIYA11DEC25CE9200FDEC25", "DHANIYA19DEC2025",
    "NIFTY-Feb2026-24600-CE", "GOLD-27Feb2026-139600-CE", "NIFTY26AUGFUT",
    "SENSEX 67200 PE 27 AUG 26", "SENSEX50 FUT 24 SEP 26", "RELIANCE-EQ", "NIFTY 50",
    "NFO:NIFTY:2026-11-24:26450:CE", "INDEX:NIFTY 50", "NSE:RELIANCE",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = list(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        piece = draw(
            st.one_of(st.characters(), st.sampled_from([*"0123456789.-: CEPFUT", "", "AUG"]))
        )
        text[at : at + draw(st.integers(0, 2))] = [piece]
    return "".join(text)


@given(
    text=st.one_of(st.text(), mutated(), st.from_regex(r"[A-Z]{1,9}[0-9A-Z.]{0,20}(CE|PE|FUT)")),
    broker=st.sampled_from(symbols.BROKERS),
    exchange=st.sampled_from((*ALL, "ICEX", "")),
    kind=st.none() | st.sampled_from(Kind),
    series=st.none() | st.text(max_size=3),
)
@settings(max_examples=1500, deadline=None)
@example("9" * 90 + "26AUG1CE", "kite", "NFO", None, None)
@example("A" * 41 + "26AUGFUT", "kite", "NFO", None, None)
@example("NIFTY26AUG" + "9" * 60 + "CE", "kite", "NFO", None, None)
def test_garbage_raises_nothing_but_the_documented_errors(
    text: str, broker: str, exchange: str, kind: Kind | None, series: str | None
) -> None:
    listed = ListedExpiries.of(
        ListedExpiry("NFO", "NIFTY", each, date(2026, 8, 25)) for each in Kind
    )
    found: Contract | None = None
    with contextlib.suppress(SymbolNotRead, SymbolAmbiguous, ExpiryUnresolved, UnknownExchange):
        found = symbols.parse(text, broker, exchange, kind=kind, series=series, listed=listed)
    # What is read is a contract like any other: it has an id, and no other text.
    if found and not (isinstance(found, Share) and found.exchange == "NSE" and not found.series):
        assert symbols.parse_canonical_id(symbols.canonical_id(found))
    if isinstance(found, Derivative) and writes_without_calendar(broker, found.exchange):
        assert symbols.format(found, broker) == text
    with contextlib.suppress(CanonicalIdNotRead):
        assert symbols.canonical_id(symbols.parse_canonical_id(text)) == text


def writes_without_calendar(broker: str, exchange: str) -> bool:
    return broker in {"dhan", "openalgo"} or (broker, exchange) in {
        ("angel_one", "NFO"), ("angel_one", "MCX"),
    }  # fmt: skip
