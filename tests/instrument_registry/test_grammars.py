"""Each grammar by example: what it says, what it leaves out, what it refuses."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from instrument_registry import symbols
from instrument_registry.errors import (
    CanonicalIdNotRead,
    ContractInvalid,
    ExpiryContradicted,
    ExpiryUnresolved,
    NotSpellable,
    SymbolAmbiguous,
    SymbolNotRead,
    UnknownBroker,
    UnknownExchange,
)
from instrument_registry.symbols import (
    Contract,
    ExpiryMonth,
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

CE, PE = OptionType.CE, OptionType.PE


def option(exchange: str, name: str, day: str, strike: str, kind: OptionType = CE) -> Option:
    return Option(exchange, name, date.fromisoformat(day), Decimal(strike), kind)


def future(exchange: str, name: str, day: str) -> Future:
    return Future(exchange, name, date.fromisoformat(day))


def listing(*contracts: Future | Option, is_monthly: bool | None = None) -> ListedExpiries:
    return ListedExpiries.of(
        ListedExpiry(each.exchange, each.underlying, each.kind, each.expiry, is_monthly)
        for each in contracts
    )


# Real rows; each with the listing of its own expiry where the form asks for one.
ROWS: list[tuple[str, str, Contract]] = [
    ("kite", "NIFTY26AUGFUT", future("NFO", "NIFTY", "2026-08-25")),
    ("kite", "M&M26SEP3100CE", option("NFO", "M&M", "2026-09-29", "3100")),
    ("kite", "BAJAJ-AUTO26AUG9000PE", option("NFO", "BAJAJ-AUTO", "2026-08-25", "9000", PE)),
    ("kite", "360ONE26AUG1060CE", option("NFO", "360ONE", "2026-08-25", "1060")),
    ("kite", "NIFTYNXT5026AUG71400CE", option("NFO", "NIFTYNXT50", "2026-08-25", "71400")),
    ("kite", "ADANIENT25NOV2423.7CE", option("NFO", "ADANIENT", "2025-11-25", "2423.7")),
    ("kite", "MCX26AUG7900CE", option("NFO", "MCX", "2026-08-25", "7900")),
    ("kite", "SENSEX5026SEPFUT", future("BFO", "SENSEX50", "2026-09-24")),
    ("kite", "633GS203527MAR95.25CE", option("BCD", "633GS2035", "2027-03-25", "95.25")),
    ("zerodha", "GOLD26OCT150500CE", option("MCX", "GOLD", "2026-10-30", "150500")),
    ("angel_one", "NIFTY11NOV2524800CE", option("NFO", "NIFTY", "2025-11-11", "24800")),
    ("angel_one", "IOC28OCT25132.5PE", option("NFO", "IOC", "2025-10-28", "132.5", PE)),
    ("angel_one", "GOLDPETAL27FEB26FUT", future("MCX", "GOLDPETAL", "2026-02-27")),
    ("angel_one", "SENSEX5025DEC26450PE", option("BFO", "SENSEX50", "2025-12-24", "26450", PE)),
    ("angel_one", "EURUSD25DEC.965CE", option("CDS", "EURUSD", "2025-12-29", "0.965")),
    ("angel_one", "EURUSD26JUN1.08CE", option("CDS", "EURUSD", "2026-06-26", "1.08")),
    ("angel_one", "SILVER26MAR125750PE", option("NCO", "SILVER", "2026-03-02", "125750", PE)),
    ("dhan", "NIFTY-Feb2026-24600-CE", option("NFO", "NIFTY", "2026-02-24", "24600")),
    ("dhan", "BAJAJ-AUTO-Feb2026-FUT", future("NFO", "BAJAJ-AUTO", "2026-02-24")),
    ("dhan", "EURUSD-Sep2025-0.92-PE", option("CDS", "EURUSD", "2025-09-26", "0.92", PE)),
    ("dhan", "GBPUSD-29Oct2024-1.3075-PE", option("BCD", "GBPUSD", "2024-10-29", "1.3075", PE)),
    ("dhan", "GOLD-27Feb2026-139600-CE", option("MCX", "GOLD", "2026-02-27", "139600")),
    ("upstox", "SENSEX 67200 PE 27 AUG 26", option("BFO", "SENSEX", "2026-08-27", "67200", PE)),
    ("upstox", "SENSEX50 FUT 24 SEP 26", future("BFO", "SENSEX50", "2026-09-24")),
    ("upstox", "JPYINR 61.75 CE 23 OCT 26", option("CDS", "JPYINR", "2026-10-23", "61.75")),
    ("upstox_csv", "SENSEX5026FEB25450PE", option("BFO", "SENSEX50", "2026-02-26", "25450", PE)),
    ("openalgo", "NIFTY28MAR2420800CE", option("NFO", "NIFTY", "2024-03-28", "20800")),
    ("openalgo", "NIFTY28MAR24FUT", future("NFO", "NIFTY", "2024-03-28")),
    ("openalgo", "VEDL25APR24292.5CE", option("NFO", "VEDL", "2024-04-25", "292.5")),
]


@pytest.mark.parametrize(("broker", "symbol", "contract"), ROWS, ids=[row[1] for row in ROWS])
def test_a_real_symbol_is_read_and_written_back(
    broker: str, symbol: str, contract: Future | Option
) -> None:
    listed = listing(contract)
    assert symbols.parse(symbol, broker, contract.exchange, listed=listed) == contract
    assert symbols.format(contract, broker, listed=listed) == symbol


def test_upstox_is_read_in_both_its_forms_and_written_in_the_jsons() -> None:
    contract = option("BFO", "SENSEX", "2026-02-26", "76600")
    listed = listing(contract)
    assert symbols.parse("SENSEX26FEB76600CE", "upstox", "BFO", listed=listed) == contract
    assert symbols.format(contract, "upstox", listed=listed) == "SENSEX 76600 CE 26 FEB 26"


def test_an_option_of_ncdex_says_the_month_of_its_future() -> None:
    futures = (future("NCDEX", "GUARGUM5", "2025-12-19"), future("NCDEX", "GUARGUM5", "2026-01-20"))
    listed = listing(*futures)
    for symbol, day in (
        ("GUARGUM528NOV25PE9400.5FDEC25", "2025-11-28"),
        ("GUARGUM519DEC25PE9400.5FDEC25", "2025-12-19"),
        ("GUARGUM526DEC25PE9400.5FJAN26", "2025-12-26"),
    ):
        contract = option("NCDEX", "GUARGUM5", day, "9400.5", PE)
        # Nothing is left out: no calendar is asked to read it, only to write it.
        assert symbols.parse(symbol, "angel_one", "NCDEX") == contract
        assert symbols.format(contract, "angel_one", listed=listed) == symbol
        assert symbols.parse_canonical_id(symbols.canonical_id(contract)) == contract
        for useless in (
            None,
            listing(contract),
            listing(futures[0]) if day > "2025-12-19" else None,
        ):
            with pytest.raises(ExpiryUnresolved, match="the futures"):
                symbols.format(contract, "angel_one", listed=useless)
    assert symbols.parse("GUARGUM519DEC2025", "angel_one", "NCDEX") == futures[0]
    assert symbols.format(futures[0], "angel_one") == "GUARGUM519DEC2025"
    bare = symbols.parse("PADYPB1121", "angel_one", "NCDEX", kind=Kind.CASH)
    assert symbols.canonical_id(bare) == "NCDEX:PADYPB1121"


@pytest.mark.parametrize(
    "symbol",
    [
        "DHANIYA11DEC25CE9200", "DHANIYA11DEC25CE9200FNOV25", "DHANIYA11DEC25CE9200FFEB26",
        "DHANIYA11DEC259200CEFDEC25", "DHANIYA11DEC25FUT", "DHANIYA19DEC25", "DHANIYA31JUN2026",
        "DHANIYA11DEC25CE09200FDEC25", "DHANIYA31JUN26CE9200FJUL26", "DHANIYA",
    ],
)  # fmt: skip
def test_what_no_contract_of_ncdex_is_called_is_refused(symbol: str) -> None:
    with pytest.raises(SymbolNotRead, match="future's MMMYY"):
        symbols.parse(symbol, "angel_one", "NCDEX")


def test_a_weekly_option_is_numbered_and_the_months_last_is_named() -> None:
    days = ("2026-10-06", "2026-10-13", "2026-10-27")
    weekly, other, monthly = (option("NFO", "NIFTY", day, "24800") for day in days)
    listed = listing(weekly, other, monthly)
    written = [symbols.format(each, "kite", listed=listed) for each in (weekly, other, monthly)]
    assert written == ["NIFTY26O0624800CE", "NIFTY26O1324800CE", "NIFTY26OCT24800CE"]
    for text, contract in zip(written, (weekly, other, monthly), strict=True):
        assert symbols.parse(text, "kite", "NFO", listed=listed) == contract


def test_futures_and_options_of_a_commodity_are_listed_apart() -> None:
    listed = listing(
        option("MCX", "GOLD", "2026-09-28", "100000"), future("MCX", "GOLD", "2026-09-30")
    )
    found = symbols.parse("GOLD26SEP100000CE", "kite", "MCX", listed=listed)
    assert isinstance(found, Option)
    assert found.expiry == date(2026, 9, 28)
    assert symbols.parse("GOLD26SEPFUT", "kite", "MCX", listed=listed) == future(
        "MCX", "GOLD", "2026-09-30"
    )


def test_a_currencys_last_expiry_is_not_taken_for_its_monthly_one() -> None:
    """NSE, February 2026: monthly on the 25th, weekly on the 27th."""
    days = (future("CDS", "USDINR", "2026-02-25"), future("CDS", "USDINR", "2026-02-27"))
    with pytest.raises(SymbolAmbiguous) as refused:
        symbols.parse("USDINR26FEBFUT", "kite", "CDS", listed=listing(*days))
    assert refused.value.candidates == days
    with pytest.raises(ExpiryUnresolved, match="is_monthly=True"):
        symbols.format(days[0], "kite", listed=listing(*days))
    marked = ListedExpiries.of(
        ListedExpiry("CDS", "USDINR", Kind.FUTURE, day.expiry, is_monthly=day is days[0])
        for day in days
    )
    assert symbols.parse("USDINR26FEBFUT", "kite", "CDS", listed=marked) == days[0]
    assert symbols.format(days[0], "kite", listed=marked) == "USDINR26FEBFUT"
    assert symbols.format(days[1], "kite", listed=marked) == "USDINR26227FUT"


def test_a_marked_weekly_expiry_is_never_the_monthly_one() -> None:
    listed = ListedExpiries.of(
        [ListedExpiry("NFO", "NIFTY", Kind.OPTION, date(2026, 8, 18), is_monthly=False)]
    )
    with pytest.raises(ExpiryUnresolved, match="none is listed"):
        symbols.parse("NIFTY26AUG24800CE", "kite", "NFO", listed=listed)
    contract = option("NFO", "NIFTY", "2026-08-18", "24800")
    assert symbols.format(contract, "kite", listed=listed) == "NIFTY2681824800CE"


def test_a_month_without_a_calendar_says_what_it_says_and_no_more() -> None:
    assert symbols.readings("NIFTY26AUG24800CE", "kite", "NFO") == (
        Undated("NFO", "NIFTY", ExpiryMonth(2026, 8, is_monthly=True), Decimal(24800), CE),
    )
    with pytest.raises(
        ExpiryUnresolved, match=r"monthly expiry of 2026-08, not the day"
    ) as refused:
        symbols.parse("NIFTY26AUG24800CE", "kite", "NFO")
    assert (refused.value.symbol, refused.value.broker) == ("NIFTY26AUG24800CE", "kite")


def test_dhans_month_is_refused_with_every_week_that_it_can_mean() -> None:
    weeks = tuple(option("NFO", "NIFTY", f"2026-02-{day}", "24600") for day in ("10", "17", "24"))
    with pytest.raises(SymbolAmbiguous, match="2026-02-10, 2026-02-17, 2026-02-24") as refused:
        symbols.parse("NIFTY-Feb2026-24600-CE", "dhan", "NFO", listed=listing(*weeks))
    assert refused.value.candidates == weeks
    # The row's own expiry decides, with or without a calendar.
    for listed in (None, listing(*weeks)):
        for week in weeks:
            found = symbols.parse(
                "NIFTY-Feb2026-24600-CE", "dhan", "NFO", listed=listed, expiry=week.expiry
            )
            assert found == week


@pytest.mark.parametrize(
    ("symbol", "broker", "exchange", "expiry"),
    [
        ("NIFTY-Feb2026-24600-CE", "dhan", "NFO", "2026-03-03"),
        ("NIFTY-Feb2026-24600-CE", "dhan", "NFO", "2025-02-24"),
        ("GOLD-27Feb2026-139600-CE", "dhan", "MCX", "2026-02-26"),
        ("NIFTY11NOV2524800CE", "angel_one", "NFO", "2025-11-18"),
        ("NIFTY 24600 CE 24 FEB 26", "upstox", "NFO", "2026-02-17"),
        ("NIFTY26AUGFUT", "kite", "NFO", "2026-09-29"),
        ("NIFTY2690326450CE", "kite", "NFO", "2026-09-04"),
        ("RELIANCE", "kite", "NSE", "2026-09-29"),
    ],
)
def test_an_expiry_never_overrules_what_the_text_says(
    symbol: str, broker: str, exchange: str, expiry: str
) -> None:
    day = date.fromisoformat(expiry)
    with pytest.raises(ExpiryContradicted, match=f"expires on {expiry}") as refused:
        symbols.parse(symbol, broker, exchange, expiry=day)
    assert refused.value.candidates == symbols.readings(symbol, broker, exchange)
    assert refused.value.symbol == symbol


def test_an_expiry_is_not_the_monthly_one_where_the_calendar_says_another() -> None:
    weekly, monthly = (option("NFO", "NIFTY", f"2026-08-{day}", "24800") for day in ("18", "25"))
    text, listed = "NIFTY26AUG24800CE", listing(weekly, monthly)
    assert symbols.parse(text, "kite", "NFO", expiry=monthly.expiry) == monthly
    assert symbols.parse(text, "kite", "NFO", listed=listed, expiry=monthly.expiry) == monthly
    with pytest.raises(ExpiryContradicted, match=r"monthly expiry of 2026-08"):
        symbols.parse(text, "kite", "NFO", listed=listed, expiry=weekly.expiry)
    # A calendar that does not know the month says nothing against it.
    other = listing(option("NFO", "NIFTY", "2026-11-24", "24800"))
    assert symbols.parse(text, "kite", "NFO", listed=other, expiry=monthly.expiry) == monthly


def test_an_expiry_decides_how_digits_are_split() -> None:
    text = "NIFTY2690326450CE"
    for expiry, name, strike in (
        ("2026-09-03", "NIFTY", "26450"),
        ("2090-03-26", "NIFTY26", "450"),
    ):
        found = symbols.parse(text, "kite", "NFO", expiry=date.fromisoformat(expiry))
        assert found == option("NFO", name, expiry, strike)


def test_digits_are_split_by_the_names_or_by_the_calendar_that_hold_one_of_them() -> None:
    text, right = "NIFTY2690326450CE", option("NFO", "NIFTY", "2026-09-03", "26450")
    with pytest.raises(SymbolAmbiguous, match=r"NIFTY26.*underlyings=") as refused:
        symbols.parse(text, "kite", "NFO")
    assert refused.value.candidates == (right, option("NFO", "NIFTY26", "2090-03-26", "450"))
    assert symbols.parse(text, "kite", "NFO", underlyings={"NIFTY"}) == right
    assert symbols.parse(text, "kite", "NFO", listed=listing(right)) == right
    # Names that hold neither decide nothing.
    with pytest.raises(SymbolAmbiguous):
        symbols.parse(text, "kite", "NFO", underlyings={"BANKNIFTY"})


def test_names_that_both_exist_leave_it_to_the_calendar() -> None:
    text, names = "SENSEX502121526450CE", {"SENSEX", "SENSEX50"}
    with pytest.raises(SymbolAmbiguous):
        symbols.parse(text, "kite", "BFO", underlyings=names)
    right = option("BFO", "SENSEX50", "2021-02-15", "26450")
    found = symbols.parse(text, "kite", "BFO", underlyings=names, listed=listing(right))
    assert found == right


SHARES: list[tuple[str, str, Share]] = [
    ("kite", "RELIANCE", Share("NSE", "RELIANCE", "EQ")),
    ("kite", "BAJFINANCE", Share("NSE", "BAJFINANCE", "EQ")),
    ("kite", "BAJAJ-AUTO", Share("NSE", "BAJAJ-AUTO", "EQ")),
    ("kite", "NAM-INDIA", Share("NSE", "NAM-INDIA", "EQ")),
    ("kite", "SYSTANGO-SM", Share("NSE", "SYSTANGO", "SM")),
    ("kite", "75343PHF31-N0", Share("NSE", "75343PHF31", "N0")),
    ("kite", "RELIANCE", Share("BSE", "RELIANCE")),
    ("kite", "8.9JSWSL30", Share("BSE", "8.9JSWSL30")),
    ("kite", "12 MFLS2", Share("BSE", "12 MFLS2")),
    ("angel_one", "RELIANCE-EQ", Share("NSE", "RELIANCE", "EQ")),
    ("angel_one", "BAJAJ-AUTO-EQ", Share("NSE", "BAJAJ-AUTO", "EQ")),
    ("angel_one", "724ABCL30", Share("BSE", "724ABCL30")),
    ("dhan", "RELIANCE", Share("NSE", "RELIANCE")),
    ("dhan", "KALYANI$", Share("BSE", "KALYANI$")),
    ("upstox", "749RJ35", Share("NSE", "749RJ35")),
    ("openalgo", "RELIANCE", Share("NSE", "RELIANCE")),
]


@pytest.mark.parametrize(("broker", "symbol", "share"), SHARES)
def test_a_share_is_a_share_whatever_it_ends_in(broker: str, symbol: str, share: Share) -> None:
    assert symbols.parse(symbol, broker, share.exchange) == share
    assert symbols.format(share, broker) == symbol


@pytest.mark.parametrize("broker", symbols.BROKERS)
@pytest.mark.parametrize("symbol", ["RELIANCE", "BAJFINANCE", "TATAPOWER-BE", "NIFTY 50", ""])
def test_a_share_is_no_contract_of_a_derivative_exchange(broker: str, symbol: str) -> None:
    with pytest.raises(SymbolNotRead, match="expected UNDERLYING"):
        symbols.parse(symbol, broker, "NFO")


def test_the_series_that_another_column_says_is_taken_but_may_not_contradict() -> None:
    assert symbols.parse("SYSTANGO", "upstox", "NSE", series="SM") == Share("NSE", "SYSTANGO", "SM")
    assert symbols.parse("AB-CD", "kite", "NSE", series="EQ") == Share("NSE", "AB-CD", "EQ")
    with pytest.raises(SymbolNotRead, match="series 'BE'"):
        symbols.parse("SYSTANGO-SM", "kite", "NSE", series="BE")
    with pytest.raises(SymbolNotRead):
        symbols.parse("RELIANCE-EQ", "angel_one", "NSE", series="BE")


def test_a_share_without_series_is_not_spelled_where_the_series_is_part_of_the_symbol() -> None:
    for broker in ("kite", "angel_one"):
        with pytest.raises(NotSpellable, match="leaves open"):
            symbols.format(Share("NSE", "SYSTANGO"), broker)
    with pytest.raises(NotSpellable, match="has no series"):
        symbols.canonical_id(Share("NSE", "SYSTANGO"))


def test_an_index_has_to_be_called_one_and_only_kites_names_are_canonical() -> None:
    assert symbols.parse("NIFTY 50", "kite", "NSE", kind=Kind.INDEX) == Index("NIFTY 50")
    assert symbols.format(Index("NIFTY 50"), "zerodha") == "NIFTY 50"
    with pytest.raises(SymbolNotRead):
        symbols.parse("NIFTY 50", "kite", "NSE")
    with pytest.raises(UnknownExchange, match="alias"):
        symbols.parse("Nifty 50", "angel_one", "NSE", kind=Kind.INDEX)
    with pytest.raises(UnknownExchange, match="alias"):
        symbols.format(Index("NIFTY 50"), "angel_one")


def test_a_bare_commodity_has_to_be_called_cash() -> None:
    assert symbols.parse("GOLD", "kite", "NCO", kind=Kind.CASH) == Share("NCO", "GOLD")
    with pytest.raises(SymbolNotRead):
        symbols.parse("GOLD26AUGFUT", "kite", "NCO", kind=Kind.CASH)


def test_a_kind_that_the_text_contradicts_is_refused() -> None:
    with pytest.raises(SymbolNotRead, match="kind future"):
        symbols.parse("NIFTY28MAR2420800CE", "openalgo", "NFO", kind=Kind.FUTURE)


@pytest.mark.parametrize(
    ("broker", "symbol"),
    [
        ("kite", "nifty26augfut"), ("kite", " NIFTY26AUGFUT"), ("kite", "NIFTY26AUGFUT\n"),
        ("kite", "NIFTY26AUG024800CE"), ("kite", "NIFTY26AUG24800.0CE"), ("kite", "NIFTY26AUG0CE"),
        ("kite", "NIFTY26931FUT"), ("kite", "26AUG24800CE"), ("kite", "NIFTY٢٦AUG24800CE"),
        ("kite", "EURUSD26DEC.965CE"), ("angel_one", "NIFTY31JUN2524800CE"),
        ("angel_one", "NIFTY26AUGFUT"), ("dhan", "NIFTY-FEB2026-24600-CE"),
        ("dhan", "NIFTY-24Feb2026-24600-CE"), ("dhan", "NIFTY-Feb1926-24600-CE"),
        ("upstox", "NIFTY 26450 CE 31 NOV 26"), ("upstox", "NIFTY  FUT 24 NOV 26"),
        ("upstox_csv", "NIFTY 26450 CE 24 NOV 26"), ("openalgo", "NIFTY26AUGFUT"),
        ("kite", "N" * 41 + "26AUGFUT"), ("kite", "9" * 100_000 + "CE"),
        ("openalgo", "N" * 41 + "28MAR24FUT"), ("dhan", "N" * 41 + "-Feb2026-FUT"),
    ],
)  # fmt: skip
def test_what_is_not_exactly_in_the_grammar_is_refused_by_name(broker: str, symbol: str) -> None:
    with pytest.raises(SymbolNotRead) as refused:
        symbols.parse(symbol, broker, "NFO")
    message = str(refused.value)
    assert message.startswith(f"{broker}: ")
    assert "NFO; expected UNDERLYING" in message
    assert len(message) < 500


def test_a_broker_or_exchange_that_nobody_knows_is_named() -> None:
    with pytest.raises(UnknownBroker, match=r"'fyers'.*angel_one, dhan, kite"):
        symbols.parse("NIFTY26AUGFUT", "fyers", "NFO")
    with pytest.raises(UnknownExchange, match=r"'NCDEX'.*BCD, BFO, CDS, MCX, NCO, NFO"):
        symbols.parse("DHANIYA11DEC25CE9200FDEC25", "kite", "NCDEX", kind=Kind.OPTION)
    with pytest.raises(UnknownExchange, match="'BCD'"):
        symbols.format(future("BCD", "USDINR", "2026-08-27"), "angel_one")
    with pytest.raises(UnknownExchange, match="'nfo'"):
        symbols.parse("NIFTY26AUGFUT", "kite", "nfo")


def test_a_symbol_that_would_read_as_another_contract_is_not_written() -> None:
    contract = option("NFO", "NIFTY26AUG", "2025-09-01", "26450")
    other = option("NFO", "NIFTY26AUG", "2025-09-30", "26450")
    with pytest.raises(NotSpellable, match="'NIFTY26AUG2590126450CE', which reads as Undated"):
        symbols.format(contract, "kite", listed=listing(contract, other))


def test_an_unlisted_expiry_is_not_spelled_in_kites_form() -> None:
    contract = option("NFO", "NIFTY", "2026-08-18", "24800")
    with pytest.raises(ExpiryUnresolved, match="without listed expiries"):
        symbols.format(contract, "kite")
    with pytest.raises(ExpiryUnresolved, match="hold 2026-08-18"):
        symbols.format(contract, "kite", listed=listing(option("NFO", "NIFTY", "2026-08-25", "1")))


@pytest.mark.parametrize(
    "make",
    [
        lambda: option("NSE", "NIFTY", "2026-08-25", "1"),
        lambda: option("NFO", "NIF:TY", "2026-08-25", "1"),
        lambda: option("NFO", "nifty", "2026-08-25", "1"),
        lambda: option("NFO", "", "2026-08-25", "1"),
        lambda: option("NFO", "N" * 41, "2026-08-25", "1"),
        lambda: option("NFO", "NIFTY", "1980-01-01", "1"),
        lambda: Future("NFO", "NIFTY", datetime(2026, 8, 25, tzinfo=UTC)),
        lambda: option("NFO", "NIFTY", "2026-08-25", "0"),
        lambda: option("NFO", "NIFTY", "2026-08-25", "-1"),
        lambda: option("NFO", "NIFTY", "2026-08-25", "NaN"),
        lambda: option("NFO", "NIFTY", "2026-08-25", "Infinity"),
        lambda: option("NFO", "NIFTY", "2026-08-25", "1E+999999"),
        lambda: option("NFO", "NIFTY", "2026-08-25", "0.000000001"),
        lambda: Option("NFO", "NIFTY", date(2026, 8, 25), 1.5, CE),  # type: ignore[arg-type]
        lambda: Option("NFO", "NIFTY", date(2026, 8, 25), Decimal(1), "XX"),  # type: ignore[arg-type]
        lambda: Share("NFO", "RELIANCE"),
        lambda: Share("NSE", "NIFTY 50", "EQ"),
        lambda: Share("BSE", "RELIANCE", "A1"),
        lambda: Share("NSE", "RELIANCE", "eq"),
        lambda: Index("NIFTY:50"),
        lambda: Index(" NIFTY"),
        lambda: Undated("NFO", "NIFTY", ExpiryMonth(2026, 8, is_monthly=True)).on(date(2026, 9, 1)),
    ],
)
def test_terms_that_no_contract_has_are_refused_at_birth(make: object) -> None:
    assert callable(make)
    with pytest.raises(ContractInvalid, match="seen; expected"):
        make()


def test_strikes_of_any_spelling_are_one_strike() -> None:
    one, other = (option("NFO", "GAIL", "2026-08-25", text) for text in ("1E+2", "100.00"))
    assert one == other
    assert hash(one) == hash(other)
    assert symbols.canonical_id(one) == symbols.canonical_id(other) == "NFO:GAIL:2026-08-25:100:CE"


@pytest.mark.parametrize(
    ("text", "contract"),
    [
        ("INDEX:NIFTY 50", Index("NIFTY 50")),
        ("INDEX:^DJI", Index("^DJI")),
        ("NSE:RELIANCE", Share("NSE", "RELIANCE", "EQ")),
        ("NSE:BAJAJ-AUTO", Share("NSE", "BAJAJ-AUTO", "EQ")),
        ("NSE:SYSTANGO-SM", Share("NSE", "SYSTANGO", "SM")),
        ("BSE:12 MFLS2", Share("BSE", "12 MFLS2")),
        ("NCO:GOLD", Share("NCO", "GOLD")),
        ("NFO:NIFTY:2026-11-24:FUT", future("NFO", "NIFTY", "2026-11-24")),
        ("NFO:NIFTY:2026-11-24:26450:CE", option("NFO", "NIFTY", "2026-11-24", "26450")),
        ("NFO:M&M:2026-11-24:390.75:PE", option("NFO", "M&M", "2026-11-24", "390.75", PE)),
    ],
)
def test_a_canonical_id_says_the_contract_and_back(text: str, contract: Contract) -> None:
    assert symbols.parse_canonical_id(text) == contract
    assert symbols.canonical_id(contract) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "RELIANCE", "NSE:", "NSE:RELIANCE ", "NSE:RELIANCE-EQ", "NSE:BAJAJ-AUTO-EQ",
        "nse:RELIANCE", "NFO:NIFTY26AUGFUT",
        "MCX:GOLD26AUGFUT", "NFO:NIFTY:2026-11-24", "NFO:NIFTY:2026-11-24:26450.0:CE",
        "NFO:NIFTY:2026-11-24:026450:CE", "NFO:NIFTY:2026-11-31:FUT", "NFO:NIFTY:2026-1-5:FUT",
        "NFO:NIFTY:1980-01-05:FUT", "NSE:NIFTY:2026-11-24:FUT", "INDEX:", "INDEX:A:B",
        "NFO:NIFTY:2026-11-24:26450:XX", "XYZ:NIFTY:2026-11-24:FUT", "NFO:NIFTY:2026-11-24:FUT\n",
    ],
)  # fmt: skip
def test_what_is_no_canonical_id_is_refused(text: str) -> None:
    with pytest.raises(CanonicalIdNotRead, match="is no canonical id; expected INDEX:NAME"):
        symbols.parse_canonical_id(text)


def test_an_error_survives_the_way_between_processes() -> None:
    with pytest.raises(SymbolAmbiguous) as refused:
        symbols.parse("NIFTY2690326450CE", "kite", "NFO")
    back = pickle.loads(pickle.dumps(refused.value))
    assert str(back) == str(refused.value)
    assert back.candidates == refused.value.candidates
