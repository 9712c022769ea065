"""Contracts by their terms, chains, and what people type."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from instrument_registry.errors import AmbiguousSymbolError, SymbolError
from instrument_registry.registry import Registry
from tests.instrument_registry import made_rows

AUGUST = date(2026, 8, 25)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.of_rows(made_rows.market(), made_rows.PUBLICATION)


@pytest.mark.parametrize("strike", [24800, 24800.0, "24800.00", Decimal(24800)])
@pytest.mark.parametrize("expiry", [AUGUST, "2026-08-25"])
def test_an_option_by_its_terms(registry: Registry, strike, expiry) -> None:
    found = registry.option("nifty", expiry, strike, "ce")
    assert found is not None
    assert found.unified_id == "NFO:NIFTY:2026-08-25:24800:CE"
    assert (found.underlying, found.expiry, found.strike) == ("NIFTY", AUGUST, Decimal(24800))
    assert found.brokers["upstox"]["tradingsymbol"] == "NIFTY 24800 CE 25 AUG 26"


def test_an_option_that_is_not_listed_is_none(registry: Registry) -> None:
    assert registry.option("NIFTY", AUGUST, 24801, "CE") is None
    assert registry.option("NIFTYNXT50", AUGUST, 24800, "CE") is None
    assert registry.options([("NIFTY", AUGUST, 24800, "PE"), ("X", AUGUST, 1, "CE")])[1] is None


@pytest.mark.parametrize(
    ("expiry", "strike", "kind"),
    [("25-08-2026", 24800, "CE"), (AUGUST, -1, "CE"), (AUGUST, "many", "CE"), (AUGUST, 24800, "X"),
     (AUGUST, "1e999999", "CE")],
)  # fmt: skip
def test_terms_that_no_option_has_are_refused(registry, expiry, strike, kind) -> None:
    with pytest.raises(SymbolError):
        registry.option("NIFTY", expiry, strike, kind)


def test_futures_come_nearest_first_without_the_expired(registry: Registry) -> None:
    assert [one.expiry for one in registry.futures("NIFTY")] == list(made_rows.FUTURES)
    assert [one.expiry for one in registry.futures("NIFTY", on="2026-08-26")] == [date(2026, 9, 29)]
    assert registry.futures("NOSUCH") == ()


def test_two_exchanges_on_one_underlying_are_refused_until_one_is_said(registry) -> None:
    with pytest.raises(AmbiguousSymbolError, match="CDS, BCD"):
        registry.futures("USDINR")
    (future,) = registry.futures("USDINR", exchange="BCD")
    assert future.unified_id.startswith("BCD:")


def test_the_nearest_expiry_counts_its_own_day(registry: Registry) -> None:
    assert registry.nearest_expiry("NIFTY", on="2026-08-18") == date(2026, 8, 18)
    assert registry.nearest_expiry("NIFTY", on="2026-08-19") == AUGUST
    assert registry.nearest_expiry("NIFTY", on="2027-01-01") is None
    assert registry.nearest_expiry("NIFTY") == date(2026, 8, 18)


def test_a_chain_has_every_strike_once_ascending(registry: Registry) -> None:
    chain = registry.chain("NIFTY", AUGUST)
    assert [one.strike for one in chain] == [*made_rows.STRIKES, Decimal(26000)]
    assert chain[-1].put is None
    assert chain[0].call is not None
    assert chain[0].call.unified_id == "NFO:NIFTY:2026-08-25:24000:CE"
    assert len(registry.chain("NIFTY")) == len(made_rows.STRIKES)
    assert registry.chain("NOSUCH") == ()


def test_the_window_around_the_money(registry: Registry) -> None:
    def strikes(price: float, each_side: int) -> list[int]:
        rows = registry.around_the_money("NIFTY", price, each_side=each_side)
        return [int(one.strike) for one in rows]

    assert strikes(24512.35, 1) == [24400, 24500, 24600]
    assert strikes(24450, 0) == [24400]  # of two as near, the lower
    assert strikes(1, 2) == [24000, 24100, 24200]
    assert len(strikes(24500, 10)) == len(made_rows.STRIKES)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("nifty 24800 ce", "NFO:NIFTY:2026-08-18:24800:CE"),
        ("nifty 24800 ce 25aug", "NFO:NIFTY:2026-08-25:24800:CE"),
        ("NIFTY sep 24 pe", "NFO:NIFTY:2026-09-01:24000:PE"),
        ("nifty fut", "NFO:NIFTY:2026-08-25:FUT"),
        ("nifty sep fut", "NFO:NIFTY:2026-09-29:FUT"),
        ("nif", "INDEX:NIFTY 50"),
        ("nifty 50", "INDEX:NIFTY 50"),
        ("reliance ind", "NSE:RELIANCE"),
        ("baj", "NSE:BAJFINANCE"),
    ],
)
def test_what_people_type(registry: Registry, typed: str, first: str) -> None:
    assert registry.search(typed)[0].unified_id == first


def test_a_search_that_means_nothing_finds_nothing(registry: Registry) -> None:
    for typed in ("", "   ", "zzz", "nifty 99999 ce"):
        assert registry.search(typed) == ()
    assert len(registry.search("nifty 2 ce", limit=3)) == 3
