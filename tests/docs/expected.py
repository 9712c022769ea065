"""What the queries of the analyst guide have to find, counted from the dumps, not from tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from tests.docs.market import (
    ADJUSTED,
    ADJUSTMENT,
    FIRST,
    LOTS_CHANGE,
    NEW_LOT,
    OLD_LOT,
    SECOND,
    Market,
    Row,
    plain,
)

Rows = list[tuple[Any, ...]]


def kind_of(row: Row) -> str:
    if row["segment"] == "INDICES":
        return "index"
    return {"EQ": "cash", "FUT": "future"}.get(row["instrument_type"], "option")


def id_of(row: Row) -> str:
    """A contract's canonical id."""
    head = f"{row['exchange']}:{row['name']}:{row['expiry']}"
    if row["instrument_type"] == "FUT":
        return f"{head}:FUT"
    return f"{head}:{plain(row['strike'])}:{row['instrument_type']}"


def counted(rows: list[Row], *extra: tuple[str, str]) -> Rows:
    """Rows by exchange and kind."""
    found = Counter((row["exchange"], kind_of(row)) for row in rows)
    found.update(extra)
    return sorted((*key, rows) for key, rows in found.items())


def of_nifty(market: Market, *, is_option: bool) -> list[Row]:
    return [
        row for row in market.second
        if row["name"] == "NIFTY" and row["exchange"] == "NFO"
        and (row["instrument_type"] != "FUT") is is_option
    ]  # fmt: skip


def expiries(market: Market) -> Rows:
    found = {}
    for row in of_nifty(market, is_option=True):
        found.setdefault(row["expiry"], []).append(row)
    return [
        (
            date.fromisoformat(day), len({row["strike"] for row in rows}),
            min(Decimal(row["strike"]) for row in rows),
            max(Decimal(row["strike"]) for row in rows), int(rows[0]["lot_size"]),
        )
        for day, rows in sorted(found.items())
    ]  # fmt: skip


def lots_over_time(market: Market) -> Rows:
    """NIFTY's: of an expiry that came, that went, whose lot changed, and of all the others."""
    found: dict[tuple[date, str], dict[str, list[Row]]] = {}
    for day, rows in (("first", market.first), ("second", market.second)):
        for row in rows:
            if row["name"] == "NIFTY" and row["exchange"] == "NFO":
                key = (date.fromisoformat(row["expiry"]), kind_of(row))
                found.setdefault(key, {"first": [], "second": []})[day].append(row)
    told: Rows = []
    for (expiry, kind), rows in sorted(found.items()):
        contracts = len({row["tradingsymbol"] for day in rows.values() for row in day})
        if not rows["second"]:
            told.append((expiry, kind, int(OLD_LOT), contracts, FIRST, SECOND))
        elif not rows["first"]:
            told.append((expiry, kind, int(OLD_LOT), contracts, SECOND, None))
        elif str(expiry) == LOTS_CHANGE[1]:
            told.append((expiry, kind, int(OLD_LOT), len(rows["first"]), FIRST, SECOND))
            told.append((expiry, kind, int(NEW_LOT), len(rows["second"]), SECOND, None))
        else:
            told.append((expiry, kind, int(OLD_LOT), contracts, FIRST, None))
    return told


def listings(market: Market) -> Rows:
    """What came and went: contracts that expired and their successors, and two shares."""
    moved = market.moved["tradingsymbol"]
    before, after = (
        {row["instrument_token"]: row for row in rows if row["tradingsymbol"] != moved}
        for rows in (market.first, market.second)
    )
    came = [row for token, row in after.items() if token not in before and row["expiry"]]
    gone = [row for token, row in before.items() if token not in after and row["expiry"]]
    assert all(row["expiry"] == FIRST.isoformat() for row in gone)
    listed, expired = Counter(map(kind_of, came)), Counter(map(kind_of, gone))
    assert {row["exchange"] for row in (*came, *gone)} == {"NFO"}
    return [
        *(
            (SECOND, "NFO", kind, listed[kind], 0, 0, expired[kind])
            for kind in sorted({*listed, *expired})
        ),
        (SECOND, "NSE", "cash", 1, 0, 1, 0),
    ]


def adjusted(market: Market) -> Rows:
    rows = [
        row for row in market.second if row["name"] == ADJUSTED and kind_of(row) == "option"
    ]  # fmt: skip
    found = (
        (SECOND, id_of(row), plain(str(Decimal(row["strike"]) - ADJUSTMENT)), plain(row["strike"]))
        for row in rows
    )
    return sorted(found, key=lambda row: row[1])[:20]


def disagreements(market: Market) -> Rows:
    rows = market.differing
    lot, tick, silent, strike, day = (
        rows[what] for what in ("lot_size", "tick_size_inr", "no lot", "strike", "expiry_date")
    )
    other_strike = str(Decimal(strike["strike"]) + Decimal("0.05"))
    other_day = "2026-10-26"
    return sorted(
        [
            (
                "contract", "acme", id_of(strike),
                id_of(strike | {"strike": other_strike}), id_of(strike), False,
            ),
            ("contract", "acme", id_of(day), id_of(day | {"expiry": other_day}), id_of(day), False),
            ("expiry_date", "acme", id_of(day), other_day, day["expiry"], False),
            ("lot_size", "acme", id_of(lot), str(2 * int(lot["lot_size"])), lot["lot_size"], False),
            ("lot_size", "acme", id_of(silent), "", silent["lot_size"], False),
            ("strike", "acme", id_of(strike), other_strike, plain(strike["strike"]), False),
            (
                "tick_size_inr", "acme", id_of(tick), plain(str(2 * Decimal(tick["tick_size"]))),
                plain(tick["tick_size"]), False,
            ),
        ]
    )  # fmt: skip


def coverage(market: Market) -> Counter[tuple[str, str, str]]:
    """Acme's rows by exchange, status and reason."""
    contracts = Counter(row["exchange"] for row in market.acme if row["expiry"])
    shares = Counter(row["exchange"] for row in market.acme if row["kind"] == "EQ")
    return Counter(
        {
            ("NSEXX", "rejected", "see rejected_rows"): 1,
            ("BFO", "matched", ""): contracts["BSEFO"],
            ("BSE", "matched", ""): shares["BSE"],
            # Besides them the expired one, the one that is said twice, and two in conflict.
            ("NFO", "matched", ""): contracts["NSEFO"] - 4,
            ("NFO", "excluded", "expired"): 1,
            ("NFO", "repeated", "same token as another row"): 1,
            ("NFO", "token_conflict", "exchange token is another instrument"): 2,
            # Besides them NEWCO and the test symbol; with them the index.
            ("NSE", "matched", ""): shares["NSE"] - 2 + 1,
            ("NSE", "unmatched", "not listed before"): 1,
            ("NSE", "excluded", "test symbol"): 1,
        }
    )


def changes(market: Market) -> Rows:
    """By kind and exchange; of subscriptions, by which NIFTY's lots and weeks are meant."""
    came = sum(row[3] for row in listings(market) if row[1] == "NFO")
    went = sum(row[6] for row in listings(market) if row[1] == "NFO")
    lots = sum((row["name"], row["expiry"]) == LOTS_CHANGE for row in market.second)
    return sorted(
        [
            ("expired", "NFO", went, went),
            ("listed", "NFO", came, came),
            ("lot_changed", "NFO", lots, lots),
            ("token_changed", "NFO", 1, 1),
        ]
    )


def events_of_subscriptions(market: Market) -> Rows:
    called = {"token_changed": "token_moved"}
    found = {called.get(change, change): rows for change, _, rows, _ in changes(market)}
    return [(SECOND, event, found[event]) for event in sorted(found)]


AS_OF = "as of a day"

# By the columns that a query gives; what is asked as of the first day, apart.
EXPECTED: dict[tuple[str, ...], Callable[[Market], Rows]] = {
    ("exchange", "kind", "instruments"): lambda market: counted(market.second, ("NSE", "cash")),
    ("exchange", "kind", "instruments", AS_OF): lambda market: counted(market.first),
    ("expiry_date", "strikes", "lowest", "highest", "lot_size"): expiries,
    ("instrument_token", "tradingsymbol", "canonical_id"): lambda _: [
        (256265, "NIFTY 50", "INDEX:NIFTY 50"),
        (738561, "RELIANCE", "NSE:RELIANCE"),
    ],
    ("attribute", "broker", "canonical_id", "broker_value", "reference_value", "is_active"): (
        disagreements
    ),
    ("expiry_date", "kind", "lot_size", "contracts", "valid_from", "valid_to"): lots_over_time,
    ("exchange", "underlying", "expiry_date", "was", "is_now", "since"): lambda _: [
        ("NFO", "NIFTY", date.fromisoformat(LOTS_CHANGE[1]), int(OLD_LOT), int(NEW_LOT), SECOND)
    ],
    ("as_of_date", "exchange", "kind", "listed", "relisted", "delisted", "expired"): listings,
    ("as_of_date", "exchange", "underlying", "listed", "relisted", "delisted"): lambda market: [
        (SECOND, "NSE", market.shares["delisted"]["tradingsymbol"], 0, 0, 1),
        (SECOND, "NSE", market.shares["listed"]["tradingsymbol"], 1, 0, 0),
    ],
    ("as_of_date", "canonical_id", "old_value", "new_value"): adjusted,
    ("as_of_date", "event", "happened"): events_of_subscriptions,
    ("broker", "broker_token", "tradingsymbol", "valid_from", "valid_to"): lambda _: [
        ("kite", "738561", "RELIANCE", FIRST, None)
    ],
}
