"""A symbol and a broker in, one instrument out, or none and the reason."""

from __future__ import annotations

from collections import Counter

import pytest

from instrument_registry.errors import (
    AmbiguousSymbolError,
    ConflictingTokenError,
    SymbolError,
    UnknownBroker,
    UnknownSymbolError,
)
from instrument_registry.records import RegistryType
from instrument_registry.registry import Registry
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows

CALL = "NFO:NIFTY:2026-08-25:24800:CE"
SPELLINGS = {
    "zerodha": "NIFTY26AUG24800CE",
    "angel_one": "NIFTY25AUG2624800CE",
    "upstox": "NIFTY 24800 CE 25 AUG 26",
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.of_rows(made_rows.market(), made_rows.PUBLICATION, made_rows.FOCUS)


@pytest.mark.parametrize("broker", SPELLINGS)
@pytest.mark.parametrize("form", [SPELLINGS.get, lambda _: CALL, lambda b: f"NFO:{SPELLINGS[b]}"])
def test_every_spelling_of_a_broker_is_its_listing(registry: Registry, broker, form) -> None:
    found = registry.resolve_for_broker(form(broker), broker)
    assert found is not None
    assert (found["unified_id"], found["tradingsymbol"]) == (CALL, SPELLINGS[broker])
    assert found == registry.require_for_broker(form(broker), broker)


def test_the_answer_has_the_agreed_keys_and_is_the_callers_own(registry: Registry) -> None:
    found = registry.resolve_for_broker("NIFTY26AUG24800CE", "kite")
    token = (40000 + made_rows.nifty_ids().index(CALL)) * 256 + 2
    assert found == {
        "tradingsymbol": "NIFTY26AUG24800CE", "symboltoken": str(token), "exchange": "NFO",
        "instrument_type": "CE", "name": "NIFTY", "broker": "zerodha", "lot_size": 75,
        "tick_size": 0.05, "expiry": "2026-08-25", "strike": 24800.0, "segment": "NFO",
        "unified_id": CALL,
    }  # fmt: skip
    found["lot_size"] = 1
    again = registry.resolve_for_broker("NIFTY26AUG24800CE", "zerodha")
    assert again is not None
    assert again["lot_size"] == 75
    share = registry.resolve_for_broker("NSE:HCLTECH", "angel_one")
    assert share is not None
    assert (share["tradingsymbol"], share["expiry"], share["strike"]) == ("HCLTECH-EQ", "", 0.0)


@pytest.mark.parametrize("broker", ["zerodha", "angel_one", "dhan", "upstox"])
def test_reliance_is_the_share_of_nse_at_every_broker(registry: Registry, broker: str) -> None:
    found = registry.resolve_for_broker("RELIANCE", broker)
    assert found is not None
    assert (found["unified_id"], found["instrument_type"]) == ("NSE:RELIANCE", "EQ")
    at_bse = registry.resolve_for_broker("BSE:RELIANCE", broker)
    assert (at_bse is None) == (broker == "dhan")
    assert registry.resolve_for_broker("RELIANCE", broker, "CE") is None


def test_bajfinance_is_a_share_and_no_call(registry: Registry) -> None:
    found = registry.resolve_for_broker("bajfinance ", "zerodha", "EQ")
    assert found is not None
    assert found["unified_id"] == "NSE:BAJFINANCE"


@pytest.mark.parametrize(
    ("symbol", "broker"),
    [
        ("USDINR26AUGFUT", "zerodha"),  # CDS and BCD
        ("TWINS", "zerodha"),  # two companies, by the ISIN that Upstox knows
        ("TWINS", "upstox"),
        ("ENERGY", "zerodha"),  # a share; at Upstox an index
        ("BYKE", "zerodha"),  # BSE's; NSE's is BYKE-BE
        ("NIFTY-Aug2026-24800-CE", "dhan"),  # two weeks of August
    ],
)
def test_what_is_ambiguous_is_refused_with_its_candidates(registry, symbol, broker) -> None:
    assert registry.resolve_for_broker(symbol, broker) is None
    told = registry.explain(symbol, broker)
    assert told.verdict == "ambiguous"
    assert told.result is None
    assert told.candidates
    assert told.steps
    with pytest.raises(AmbiguousSymbolError) as refused:
        registry.require_for_broker(symbol, broker)
    assert refused.value.candidates == told.candidates
    assert told.candidates[0] in str(told)


def test_saying_the_exchange_decides(registry: Registry) -> None:
    for exchange in ("CDS", "BCD"):
        found = registry.resolve_for_broker(f"{exchange}:USDINR26AUGFUT", "zerodha")
        assert found is not None
        assert found["exchange"] == exchange
    byke = registry.resolve_for_broker("BSE:BYKE", "zerodha")
    assert byke is not None
    assert byke["symboltoken"] == "516"


def test_a_type_tells_contracts_apart_and_never_shares(registry: Registry) -> None:
    assert registry.resolve_for_broker("NIFTY26AUG24800CE", "zerodha", "CE") is not None
    assert registry.resolve_for_broker("NIFTY26AUG24800CE", "zerodha", "PE") is None
    assert "not of type PE" in registry.explain("NIFTY26AUG24800CE", "zerodha", "PE").reason
    assert registry.resolve_for_broker("TWINS", "zerodha", "EQ") is None
    with pytest.raises(SymbolError, match="EQ, FUT, CE, PE"):
        registry.resolve_for_broker("RELIANCE", "zerodha", "OPT")


def test_case_and_blanks_do_not_count(registry: Registry) -> None:
    for text, broker in (
        (" nifty26aug24800ce", "zerodha"), ("nse:hcltech", "angel_one"), ("NIFTY 50", "upstox"),
        ("nifty  24800 ce 25 aug 26", "upstox"), (CALL.lower(), "zerodha"),
    ):  # fmt: skip
        assert registry.resolve_for_broker(text, broker) is not None, text


def test_another_brokers_spelling_is_taken_where_it_cannot_be_misread(registry: Registry) -> None:
    found = registry.resolve_for_broker(SPELLINGS["zerodha"], "upstox")
    assert found is not None
    assert found["unified_id"] == CALL
    # Angel One's reads at Kite (and in Upstox's CSV) as a call of August 2025 at 2624800, and
    # Kite's at Angel One as one of 26 August 2024 at 800.
    for whose, where in (
        ("angel_one", "zerodha"),
        ("angel_one", "upstox"),
        ("zerodha", "angel_one"),
    ):
        told = registry.explain(SPELLINGS[whose], where)
        assert told.result is None
        assert f"translate it from {whose}" in told.reason
    assert registry.translate("NIFTY26AUG24800CE", "zerodha", "angel_one") == "NIFTY25AUG2624800CE"


def test_a_canonical_id_is_the_same_everywhere_or_nothing(registry: Registry) -> None:
    # Upstox's own BYKE of NSE is in series BE: it is not what NSE:BYKE would be.
    rows = [*made_rows.shares(), made_rows.row("kite", "NSE:BYKE", "BYKE", 769)]
    other = Registry.of_rows(rows)
    assert other.resolve_for_broker("NSE:BYKE", "upstox") is None
    assert "canonical id" in other.explain("NSE:BYKE", "upstox").reason
    assert other.resolve_for_broker("BYKE", "upstox") is None
    assert registry.resolve_for_broker("NSE:BYKE-BE", "upstox") is not None


def test_a_token_conflict_is_no_instrument(registry: Registry) -> None:
    symbol = "GAIL-Aug2026-157-CE"
    assert registry.resolve_for_broker(symbol, "dhan") is None
    assert registry.explain(symbol, "dhan").verdict == "token_conflict"
    with pytest.raises(ConflictingTokenError, match="broker_disagreements"):
        registry.require_for_broker(symbol, "dhan")
    assert registry.get_by_broker_token("dhan", 4242) is None


def test_a_symbol_that_a_row_in_conflict_has_too_is_refused_not_guessed() -> None:
    """Dhan calls every week of a month alike: one week in conflict makes it none of the others."""
    symbol, week = "NIFTY-Aug2026-24800-CE", "NFO:NIFTY:2026-08-18:24800:CE"
    lost = {"kind": "CE", "exchange": "NFO"}
    registry = Registry.of_rows(
        [
            made_rows.row("dhan", None, symbol, 1, **lost),
            made_rows.row("dhan", week, symbol, 2),
            made_rows.row("dhan", "BFO:NIFTY:2026-08-20:100:PE", "NIFTY-Aug2026-100-PE", 3),
            made_rows.row("dhan", None, "NIFTY-Aug2026-100-PE", 4, **(lost | {"kind": "PE"})),
            made_rows.row("kite", week, "NIFTY2681824800CE", 258),
            # BSE's share is in conflict; the bare symbol is NSE's at every broker.
            made_rows.row("angel_one", "NSE:HCLTECH", "HCLTECH-EQ", 5),
            made_rows.row("angel_one", None, "HCLTECH", 6, exchange="BSE"),
        ]
    )
    for text in (symbol, f"NFO:{symbol}", symbol.upper()):
        assert registry.resolve_for_broker(text, "dhan") is None, text
        assert registry.resolve_for_broker(text, "zerodha") is None, text
    with pytest.raises(AmbiguousSymbolError, match="2 of dhan's rows are called so") as refused:
        registry.require_for_broker(symbol, "dhan", "CE")
    assert [one[-15:] for one in refused.value.candidates] == [
        week[-15:], "nown instrument",
    ]  # fmt: skip
    with pytest.raises(AmbiguousSymbolError):
        registry.resolve_symbol(symbol)
    named = registry.resolve_for_broker(week, "dhan")
    assert named is not None
    assert named["symboltoken"] == "2"
    assert registry.get_by_broker_token("dhan", 2) == named
    # The exchange decides, where it is another one that is in conflict.
    assert registry.resolve_for_broker("NIFTY-Aug2026-100-PE", "dhan") is None
    elsewhere = registry.resolve_for_broker("BFO:NIFTY-Aug2026-100-PE", "dhan")
    assert elsewhere is not None
    assert elsewhere["symboltoken"] == "3"
    assert registry.explain("NFO:NIFTY-Aug2026-100-PE", "dhan").verdict == "token_conflict"
    share = registry.resolve_for_broker("HCLTECH", "angel_one")
    assert share is not None
    assert share["unified_id"] == "NSE:HCLTECH"


def test_what_other_brokers_call_so_is_never_answered_as_ones_own() -> None:
    text = "XYZ26AUG100CE"
    registry = Registry.of_rows(
        [
            made_rows.row("upstox", "BSE:XYZ26AUG100CE", text, "BSE_EQ|X"),
            made_rows.row("dhan", "NFO:XYZ:2026-08-25:100:CE", text, 1),
            made_rows.row("kite", "NFO:XYZ:2026-08-25:FUT", "XYZ26AUGFUT", 258),
        ]
    )
    for kind in (None, "CE", "EQ", "PE"):
        assert registry.resolve_for_broker(text, "kite", kind) is None, kind


def test_an_unknown_symbol_suggests_near_ones(registry: Registry) -> None:
    for slip in ("NIFTY26AUG24800C", "NIFTY26AGU24800CE", "NIFTY26AUG2480CE", "nifty26aug24800ceX"):
        with pytest.raises(UnknownSymbolError) as refused:
            registry.require_for_broker(slip, "zerodha")
        assert "NIFTY26AUG24800CE" in refused.value.suggestions, slip
    assert registry.explain("", "zerodha").suggestions == ()


def test_brokers_that_do_not_exist_or_are_not_loaded(registry: Registry) -> None:
    with pytest.raises(UnknownBroker, match="angel_one, dhan, upstox, zerodha"):
        registry.resolve_for_broker("RELIANCE", "zeroda")
    alone = Registry.of_rows(one for one in made_rows.market() if one.broker == "kite")
    assert alone.resolve_for_broker("RELIANCE", "dhan") is None
    assert "no instruments of dhan" in alone.explain("RELIANCE", "dhan").reason
    with pytest.raises(TypeError):
        registry.resolve_for_broker(2885, "dhan")  # type: ignore[arg-type]


def test_tokens_are_unique_only_inside_an_exchange(registry: Registry) -> None:
    with pytest.raises(AmbiguousSymbolError) as refused:
        registry.get_by_broker_token("angel_one", "7229")
    assert len(refused.value.candidates) == 2
    share = registry.get_by_broker_token("angel_one", 7229, "NSE")
    assert share is not None
    assert share["tradingsymbol"] == "HCLTECH-EQ"
    assert registry.get_by_broker_token("angel_one", 7229, "BSE") is None
    kite = registry.get_by_broker_token("kite", 738561)
    assert kite is not None
    assert kite["unified_id"] == "NSE:RELIANCE"
    by_number = registry.get_by_broker_token("upstox", 40000, "NSE_FO")
    assert by_number is not None
    assert by_number["symboltoken"] == "NSE_FO|40000"


def test_a_symbol_without_a_broker_is_resolved_if_all_agree(registry: Registry) -> None:
    for text in SPELLINGS.values():
        found = registry.resolve_symbol(text)
        assert found is not None
        assert found.unified_id == CALL
        assert set(found.brokers) == {"zerodha", "angel_one", "dhan", "upstox"}
    assert registry.resolve_symbol("NOSUCH") is None
    with pytest.raises(AmbiguousSymbolError):
        registry.resolve_symbol("USDINR26AUGFUT")
    at = registry.resolve_symbol("USDINR26AUGFUT", exchange="BCD")
    assert at is not None
    assert at.unified_id == "BCD:USDINR:2026-08-28:FUT"


def test_one_symbol_of_two_brokers_keeps_each_brokers_meaning() -> None:
    text = "NIFTY26AUG24800CE"
    registry = Registry.of_rows(
        [
            made_rows.row("kite", "NFO:NIFTY:2026-08-25:24800:CE", text, 258),
            made_rows.row("angel_one", "NFO:NIFTY:2024-08-26:800:CE", text, 1),
        ]
    )
    for broker, day in (("zerodha", "2026-08-25"), ("angel_one", "2024-08-26")):
        found = registry.resolve_for_broker(text, broker)
        assert found is not None
        assert found["expiry"] == day
    with pytest.raises(AmbiguousSymbolError):
        registry.resolve_symbol(text)
    assert registry.resolve_for_broker(text, "upstox") is None


def test_a_contract_under_two_tokens_is_refused() -> None:
    registry = Registry.of_rows(
        made_rows.row("kite", CALL, "NIFTY26AUG24800CE", token) for token in (258, 514)
    )
    for text in ("NIFTY26AUG24800CE", CALL):
        assert registry.explain(text, "kite").verdict == "ambiguous"
    found = registry.get_by_unified_id(CALL)
    assert found is not None
    assert dict(found.brokers) == {}


def test_batches_are_what_one_by_one_is(registry: Registry) -> None:
    symbols = ["NIFTY26AUG24800CE", "NOSUCH", "RELIANCE", "TWINS"]
    one_by_one = [registry.resolve_for_broker(one, "zerodha") for one in symbols]
    assert registry.resolve_many(symbols, "zerodha") == one_by_one
    ids = [CALL, "NSE:NOSUCH"]
    assert registry.get_many_by_unified_id(ids) == [registry.get_by_unified_id(CALL), None]
    assert registry.get_many_by_broker_token("kite", [738561, 1]) == [one_by_one[2], None]
    assert registry.resolve_symbols([CALL]) == [registry.get_by_unified_id(CALL)]
    assert registry.translate_many(symbols[:1], "kite", "upstox") == [SPELLINGS["upstox"]]
    with pytest.raises(UnknownSymbolError):
        registry.translate_many(symbols, "kite", "upstox")


@pytest.mark.parametrize("form", ["{}", "NFO:{}", "nfo:{}"])
def test_a_focus_registry_reads_no_symbol_otherwise_than_the_whole(form: str) -> None:
    """Dhan calls the week in the focus set and the one outside alike: it is neither's symbol."""
    contents = Contents.of(made_rows.market(), made_rows.PUBLICATION, made_rows.FOCUS)
    focus, whole = Registry(contents, RegistryType.INTRADAY_FOCUS), Registry(contents)
    found = Counter()
    for row in made_rows.market():
        text = form.format(row.tradingsymbol)
        for broker in whole.brokers:
            answer = focus.resolve_for_broker(text, broker)
            found[broker] += answer is not None
            assert answer in (None, whole.resolve_for_broker(text, broker)), (text, broker)
    assert found["zerodha"] >= len(made_rows.FOCUS)
    shared = "NIFTY-Aug2026-24000-CE"
    with pytest.raises(AmbiguousSymbolError, match="does not hold; say the canonical id"):
        focus.require_for_broker(shared, "dhan")
    week = focus.resolve_for_broker("NFO:NIFTY:2026-08-18:24000:CE", "dhan")
    assert week is not None
    assert week["tradingsymbol"] == shared
    assert focus.get_by_broker_token("dhan", week["symboltoken"]) == week


def test_a_focus_registry_holds_the_focus_set_only() -> None:
    contents = Contents.of(made_rows.market(), made_rows.PUBLICATION, made_rows.FOCUS)
    focus = Registry(contents, RegistryType.INTRADAY_FOCUS)
    assert len(focus) == 4 * len(made_rows.FOCUS)
    whole = Registry(contents)
    for identity in made_rows.FOCUS:
        assert focus.get_by_unified_id(identity) == whole.get_by_unified_id(identity)
    assert focus.resolve_for_broker("RELIANCE", "zerodha") is None
    with pytest.raises(ValueError, match="no focus set"):
        Registry(Contents.of(made_rows.market()), RegistryType.INTRADAY_FOCUS)
