"""A small market made by hand: the same things as several brokers list and spell them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from instrument_registry import symbols
from instrument_registry.records import BrokerRow, Publication
from instrument_registry.symbols import ListedExpiries, ListedExpiry, parse_canonical_id

DAY = date(2026, 8, 17)
EXPIRIES = (date(2026, 8, 18), date(2026, 8, 25), date(2026, 9, 1))
FUTURES = (date(2026, 8, 25), date(2026, 9, 29))
STRIKES = tuple(Decimal(24000 + 100 * step) for step in range(11))
LISTED = ListedExpiries.of(
    ListedExpiry("NFO", "NIFTY", kind, day)
    for kind, days in (("option", EXPIRIES), ("future", FUTURES))
    for day in days
)  # type: ignore[arg-type]
PUBLICATION = Publication(number=7, as_of_date=DAY)


def row(
    broker: str, identity: str | None, symbol: str, token: object, *, segment: str = "",
    isin: str | None = None, kind: str = "EQ", exchange: str = "", name: str = "",
) -> BrokerRow:  # fmt: skip
    parts = (identity or "").split(":")
    expiry = date.fromisoformat(parts[2]) if len(parts) > 2 else None
    strike = Decimal(parts[3]) if len(parts) == 5 else None
    if expiry is not None:
        kind = parts[-1]
    where = exchange or (parts[0] if parts[0] != "INDEX" else "NSE")
    return BrokerRow(
        broker, where, str(token), identity, symbol, name or (parts[1] if identity else symbol),
        segment or where, kind, isin, strike, Decimal("0.05"), 75 if expiry else 1, expiry,
    )  # fmt: skip


def _spelled(identity: str, broker: str) -> str:
    return symbols.format(parse_canonical_id(identity), broker, listed=LISTED)


def nifty_ids() -> list[str]:
    futures = [f"NFO:NIFTY:{day}:FUT" for day in FUTURES]
    return futures + [
        f"NFO:NIFTY:{day}:{strike}:{kind}"
        for day in EXPIRIES for strike in STRIKES for kind in ("CE", "PE")
    ]  # fmt: skip


def market() -> list[BrokerRow]:
    rows = []
    for number, identity in enumerate(nifty_ids(), start=40000):
        rows += [
            row("kite", identity, _spelled(identity, "kite"), number * 256 + 2),
            row("angel_one", identity, _spelled(identity, "angel_one"), number),
            row("dhan", identity, _spelled(identity, "dhan"), number, segment="D"),
            row("upstox", identity, _spelled(identity, "upstox"), f"NSE_FO|{number}",
                segment="NSE_FO"),
        ]  # fmt: skip
    return rows + shares()


def shares() -> list[BrokerRow]:
    reliance, bajaj = "INE002A01018", "INE296A01032"
    return [
        row("kite", "INDEX:NIFTY 50", "NIFTY 50", 256265, segment="INDICES"),
        row("angel_one", "INDEX:NIFTY 50", "Nifty 50", 99926000),
        row("dhan", "INDEX:NIFTY 50", "NIFTY", "IDX_I|13", segment="I"),
        row("upstox", "INDEX:NIFTY 50", "Nifty 50", "NSE_INDEX|Nifty 50", segment="NSE_INDEX"),
        row("kite", "NSE:RELIANCE", "RELIANCE", 738561, name="RELIANCE INDUSTRIES"),
        row("kite", "BSE:RELIANCE", "RELIANCE", 128083204),
        row("angel_one", "NSE:RELIANCE", "RELIANCE-EQ", 2885),
        row("angel_one", "BSE:RELIANCE", "RELIANCE", 500325),
        row("dhan", "NSE:RELIANCE", "RELIANCE", 2885, segment="E"),
        row("upstox", "NSE:RELIANCE", "RELIANCE", f"NSE_EQ|{reliance}", segment="NSE_EQ",
            isin=reliance),
        row("upstox", "BSE:RELIANCE", "RELIANCE", f"BSE_EQ|{reliance}", segment="BSE_EQ",
            isin=reliance),
        row("kite", "NSE:BAJFINANCE", "BAJFINANCE", 81153),
        row("upstox", "NSE:BAJFINANCE", "BAJFINANCE", f"NSE_EQ|{bajaj}", segment="NSE_EQ",
            isin=bajaj),
        row("kite", "NSE:HCLTECH", "HCLTECH", 1850625),
        row("angel_one", "NSE:HCLTECH", "HCLTECH-EQ", 7229),
        # Two companies of one symbol.
        row("kite", "NSE:TWINS", "TWINS", 257),
        row("kite", "BSE:TWINS", "TWINS", 260),
        row("upstox", "NSE:TWINS", "TWINS", "NSE_EQ|INE000A01011", isin="INE000A01011"),
        row("upstox", "BSE:TWINS", "TWINS", "BSE_EQ|INE000B01019", isin="INE000B01019"),
        # A share that has the name of an index.
        row("kite", "NSE:ENERGY", "ENERGY", 1281),
        row("upstox", "INDEX:ENERGY", "ENERGY", "BSE_INDEX|ENERGY", segment="BSE_INDEX",
            exchange="BSE"),
        # A share in a series that Upstox's symbol leaves out.
        row("kite", "NSE:BYKE-BE", "BYKE-BE", 513),
        row("kite", "BSE:BYKE", "BYKE", 516),
        row("upstox", "NSE:BYKE-BE", "BYKE", "NSE_EQ|INE319B01014", isin="INE319B01014"),
        # One text at two exchanges, one token at two exchanges.
        row("kite", "CDS:USDINR:2026-08-28:FUT", "USDINR26AUGFUT", 771),
        row("kite", "BCD:USDINR:2026-08-28:FUT", "USDINR26AUGFUT", 774),
        row("angel_one", "CDS:USDINR:2026-08-28:FUT", "USDINR26AUGFUT", 7229),
        # A strike whose put is not listed.
        row("kite", "NFO:NIFTY:2026-08-25:26000:CE", "NIFTY26AUG26000CE", 1026),
        row("angel_one", "NFO:NIFTY:2026-08-25:26000:CE", "NIFTY25AUG2626000CE", 4),
        # Dhan's token is another contract elsewhere.
        row("dhan", None, "GAIL-Aug2026-157-CE", 4242, kind="CE", exchange="NFO"),
    ]  # fmt: skip


FOCUS = [one for one in nifty_ids() if str(EXPIRIES[0]) in one][:6]
