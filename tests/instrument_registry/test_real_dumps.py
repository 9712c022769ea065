"""Every future and option of every real dump, read to its own row's terms and written back."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest

from instrument_registry import symbols
from instrument_registry.errors import ExpiryContradicted, SymbolAmbiguous, SymbolNotRead
from instrument_registry.symbols import (
    Kind,
    ListedExpiries,
    ListedExpiry,
    Option,
    Undated,
)
from tests.instrument_registry.dump_rows import (
    ANGEL_ONE,
    DHAN,
    KITE,
    KITE_EXPIRY_DAY,
    UPSTOX,
    UPSTOX_CSV,
    Row,
    derivatives,
)

pytestmark = pytest.mark.real_dumps

DUMPS = [
    ("kite", KITE), ("kite", KITE_EXPIRY_DAY), ("angel_one", ANGEL_ONE), ("dhan", DHAN),
    ("upstox", UPSTOX), ("upstox_csv", UPSTOX_CSV),
]  # fmt: skip
# What is not held to be a contract, by name: exchanges put test symbols into live files.
UNHELD = {
    ANGEL_ONE: Counter(
        {
            ("CDS", "test symbol in no form"): 2,
            ("NCO", "test symbol in no form"): 1,
        }
    ),
}
# Rows whose own columns name no underlying, so that theirs is the symbol's without its known end.
UNNAMED = {
    ANGEL_ONE: Counter({"BFO": 151}),  # 360ONE
    DHAN: Counter({"MCX": 37_936}),
    UPSTOX_CSV: Counter(
        {"NFO": 43_901, "BFO": 5_925, "CDS": 9_764, "BCD": 10_508, "MCX": 64_273, "NCO": 48_272}
    ),
}
HELD = {
    KITE: {"NFO": 35_683, "BFO": 4_258, "CDS": 8_764, "BCD": 9_226, "MCX": 16_699, "NCO": 28_047},
    KITE_EXPIRY_DAY: {"NFO": 38_752},
    ANGEL_ONE: {
        "NFO": 37_727, "BFO": 40_923, "CDS": 9_302, "MCX": 28_907, "NCO": 20_354, "NCDEX": 1_137,
    },
    DHAN: {
        "NFO": 101_427, "BFO": 42_397, "CDS": 11_429, "BCD": 12_733, "MCX": 37_936, "NCO": 44_642,
    },
    UPSTOX: {
        "NFO": 35_264, "BFO": 4_258, "CDS": 8_764, "BCD": 9_226, "MCX": 16_699, "NCO": 28_047,
    },
    UPSTOX_CSV: dict(UNNAMED[UPSTOX_CSV]),
}  # fmt: skip
# Only Dhan's text is the same for several listed contracts: weekly options, and currencies.
SEVERAL = {DHAN: Counter({"NFO": 2836, "BFO": 3286, "CDS": 6768})}


@dataclass
class Seen:
    held: Counter[str] = field(default_factory=Counter)
    unheld: Counter[tuple[str, str]] = field(default_factory=Counter)
    unnamed: Counter[str] = field(default_factory=Counter)
    # Rows whose text names several listed expiries, refused with the right one among them.
    several: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def unheld(row: Row) -> str | None:
    # 21NSETEST36DEC29, 11NSETEST05DEC2036
    if "NSETEST" in row.symbol and not row.symbol.endswith("FUT"):
        return "test symbol in no form"
    return None


def underlying_of(row: Row, broker: str) -> str:
    """The row's own name; where it has none, what the symbol begins with."""
    if row.underlying is not None:
        return row.underlying
    found = symbols.readings(row.symbol, broker, row.exchange)
    names = [reading.underlying for reading in found if isinstance(reading, Undated)]
    names += [r.underlying for r in found if r == row.contract(getattr(r, "underlying", "-"))]
    (name,) = names
    return name


def calendar(named: Iterable[tuple[str, Row]]) -> ListedExpiries:
    """What a dump lists. Currencies need their monthly expiries marked: the futures do that."""
    monthly: dict[tuple[str, str], set[date]] = {}
    for name, row in named:
        if row.exchange in {"CDS", "BCD"} and row.option_type is None:
            days = monthly.setdefault((row.exchange, name), set())
            if not row.symbol.removesuffix("FUT")[-1].isdigit():
                days.add(row.expiry)
    return ListedExpiries.of(
        ListedExpiry(
            row.exchange, name, Kind.OPTION if row.option_type else Kind.FUTURE, row.expiry,
            is_monthly=row.expiry in days if days else None,
        )
        for name, row in named
        for days in (monthly.get((row.exchange, name)),)
    )  # fmt: skip


def look(broker: str, rows: Iterable[Row]) -> Seen:
    seen = Seen()
    named: list[tuple[str, Row]] = []
    for row in rows:
        if reason := unheld(row):
            seen.unheld[row.exchange, reason] += 1
        else:
            named.append((underlying_of(row, broker), row))
            seen.unnamed[row.exchange] += row.underlying is None
    listed = calendar(named)
    for name, row in named:
        contract = row.contract(name)
        try:
            if symbols.parse(row.symbol, broker, row.exchange, listed=listed) != contract:
                seen.wrong.append(f"{row.symbol} is not {contract}")
        except SymbolAmbiguous as error:
            seen.several[row.exchange] += 1
            if contract not in error.candidates:
                seen.wrong.append(f"{row.symbol}: {contract} is no candidate")
        # With the row's own expiry nothing is open, at any exchange.
        if symbols.parse(row.symbol, broker, row.exchange, expiry=row.expiry) != contract:
            seen.wrong.append(f"{row.symbol} by its expiry is not {contract}")
        if symbols.format(contract, broker, listed=listed) != row.symbol:
            seen.wrong.append(f"{contract} is not written {row.symbol}")
        if symbols.parse_canonical_id(symbols.canonical_id(contract)) != contract:
            seen.wrong.append(f"{contract}: canonical id")
        seen.held[row.exchange] += 1
    return seen


def of_nse_and_bse(folder: Path, dump: str) -> list[Row]:
    """The futures and options of NSE's and BSE's shares and indices; none is a test symbol."""
    rows = [row for row in derivatives(folder, dump) if row.exchange in {"NFO", "BFO"}]
    assert [row.symbol for row in rows if unheld(row)] == []
    return rows


@pytest.mark.parametrize(("broker", "dump"), DUMPS, ids=[dump for _, dump in DUMPS])
def test_every_row_of_nfo_and_bfo_is_read_to_its_terms_by_its_own_expiry(
    real_dumps: Path, broker: str, dump: str
) -> None:
    counted: Counter[str] = Counter()
    wrong = []
    for row in of_nse_and_bse(real_dumps, dump):
        found = symbols.parse(row.symbol, broker, row.exchange, expiry=row.expiry)
        name = row.underlying or getattr(found, "underlying", "")
        if found != row.contract(name) or not row.symbol.startswith(name):
            wrong.append(f"{row.symbol} is {found}")
        counted[row.exchange] += 1
    assert wrong[:5] == []
    assert counted == {name: rows for name, rows in HELD[dump].items() if name in {"NFO", "BFO"}}


def test_without_their_expiry_dhans_weeks_of_one_month_are_refused_and_with_another_too(
    real_dumps: Path,
) -> None:
    rows = of_nse_and_bse(real_dumps, DHAN)
    listed = calendar([(row.underlying or "", row) for row in rows])
    refused: Counter[str] = Counter()
    for row in rows:
        contract, day = row.contract(row.underlying or ""), row.expiry
        where = (row.exchange, contract.underlying, contract.kind, day.year, day.month)
        if len(listed.in_month(*where)) > 1:
            refused[row.exchange] += 1
            with pytest.raises(SymbolAmbiguous) as several:
                symbols.parse(row.symbol, "dhan", row.exchange, listed=listed)
            assert contract in several.value.candidates
            with pytest.raises(ExpiryContradicted):
                symbols.parse(row.symbol, "dhan", row.exchange, expiry=day + timedelta(days=31))
    assert refused == {name: SEVERAL[DHAN][name] for name in ("NFO", "BFO")}
    assert sum(refused.values()) == 6_122


@pytest.mark.exhaustive
@pytest.mark.parametrize(("broker", "dump"), DUMPS, ids=[dump for _, dump in DUMPS])
def test_every_contract_is_read_to_its_rows_terms_and_written_back(
    real_dumps: Path, broker: str, dump: str
) -> None:
    seen = look(broker, derivatives(real_dumps, dump))
    print(dump, seen.held, seen.unheld, seen.unnamed, seen.several)
    assert seen.wrong[:5] == []
    assert seen.held == HELD[dump]
    assert seen.unheld == UNHELD.get(dump, Counter())
    assert +seen.unnamed == UNNAMED.get(dump, Counter())
    assert seen.several == SEVERAL.get(dump, Counter())


# Of the rows that name no underlying, those whose number and terms another dump has with a name.
NAMED_ELSEWHERE = {
    ANGEL_ONE: {},
    DHAN: {"MCX": 11_555},
    UPSTOX_CSV: {
        "NFO": 43_659, "BFO": 5_457, "CDS": 1_166, "BCD": 984, "MCX": 15_039, "NCO": 44_259,
    },
}  # fmt: skip


@pytest.mark.exhaustive
def test_an_underlying_that_a_row_does_not_name_is_that_of_its_number_elsewhere(
    real_dumps: Path,
) -> None:
    """Another broker's column against what was read from this one's symbol."""

    def terms(row: Row) -> tuple[object, ...]:
        return (row.exchange, row.token, row.expiry, row.strike, row.option_type)

    named = {
        terms(row): row.underlying
        for _, dump in DUMPS
        for row in derivatives(real_dumps, dump)
        if row.underlying
    }
    for broker, dump in (("angel_one", ANGEL_ONE), ("dhan", DHAN), ("upstox_csv", UPSTOX_CSV)):
        counted: Counter[str] = Counter()
        for row in derivatives(real_dumps, dump):
            name = named.get(terms(row))
            if row.underlying is None and name:
                found = symbols.parse(row.symbol, broker, row.exchange, expiry=row.expiry)
                assert found == row.contract(name), row.symbol
                counted[row.exchange] += 1
        assert counted == NAMED_ELSEWHERE[dump]


SPLIT_IN_SEVERAL_WAYS = {
    ("NFO", 1): 35_039, ("NFO", 2): 598, ("NFO", 3): 46, ("BFO", 1): 3770, ("BFO", 2): 488,
}  # fmt: skip


def test_without_names_or_calendar_kites_weekly_digits_are_refused_not_guessed(
    real_dumps: Path,
) -> None:
    rows = [row for row in derivatives(real_dumps, KITE) if row.exchange in {"NFO", "BFO"}]
    names = {row.underlying for row in rows if row.underlying}
    counted: Counter[tuple[str, int]] = Counter()
    for row in rows:
        found = symbols.readings(row.symbol, "kite", row.exchange)
        counted[row.exchange, len(found)] += 1
        if len(found) > 1:
            contract = row.contract(row.underlying or "")
            assert contract in found
            with pytest.raises(SymbolAmbiguous) as refused:
                symbols.parse(row.symbol, "kite", row.exchange)
            assert refused.value.candidates == found
            # The names alone decide every one of them.
            found_by_name = symbols.parse(row.symbol, "kite", row.exchange, underlyings=names)
            assert found_by_name == contract
    assert counted == SPLIT_IN_SEVERAL_WAYS


def test_kite_options_read_as_other_contracts_in_angel_ones_grammar(real_dumps: Path) -> None:
    """Why the broker is always given: 54 % read, strictly, 92 % if zeros may lead a strike."""
    options = [
        row
        for row in derivatives(real_dumps, KITE)
        if row.exchange in {"NFO", "BFO"} and row.option_type
    ]
    loose = re.compile(r"[A-Z0-9&-]+[0-9]{2}(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
                       r"[0-9]{2}[0-9]+(\.[0-9]+)?(CE|PE)")  # fmt: skip
    read = 0
    for row in options:
        try:
            other = symbols.parse(row.symbol, "angel_one", "NFO")
        except SymbolNotRead:
            continue
        read += 1
        assert isinstance(other, Option)
        assert other.expiry != row.expiry
        assert other.strike != row.strike
    assert (read, len(options)) == (21_049, 39_289)
    assert sum(loose.fullmatch(row.symbol) is not None for row in options) == 36_323


@pytest.mark.parametrize(
    ("broker", "dump"), [pair for pair in DUMPS if pair[1] != UPSTOX_CSV], ids=lambda name: name
)
def test_forty_thousand_symbols_take_well_under_a_second(
    real_dumps: Path, broker: str, dump: str
) -> None:
    rows = [row for row in derivatives(real_dumps, dump) if row.exchange in {"NFO", "BFO"}]
    assert len(rows) > 38_000
    rows = rows[:40_000]
    begun = time.process_time()
    for row in rows:
        symbols.readings(row.symbol, broker, row.exchange)
    assert time.process_time() - begun < 1.5  # 0.3 s on an idle core
