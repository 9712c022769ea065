"""Shares, indices and canonical ids on real rows, against the other brokers and against dbt."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2
import psycopg
import pytest

from instrument_registry import symbols
from instrument_registry.errors import SymbolNotRead
from instrument_registry.symbols import Contract, Future, Kind, Option, OptionType, Share
from tests.instrument_registry.dump_rows import (
    ANGEL_ONE,
    DHAN,
    KITE,
    KITE_EXPIRY_DAY,
    KITE_NSE,
    UPSTOX,
    csv_rows,
    json_rows,
)

pytestmark = pytest.mark.real_dumps


def kite_shares(folder: Path, dump: str) -> list[dict[str, str]]:
    return [
        row
        for row in csv_rows(folder / dump)
        if row["instrument_type"] == "EQ" and row["segment"] != "INDICES"
    ]


@pytest.mark.parametrize(
    ("dump", "count"),
    [(KITE, {"NSE": 9834, "BSE": 12_822, "NCO": 28}), (KITE_NSE, {"NSE": 9849})],
)
def test_every_share_at_kite_is_read_and_written_back(
    real_dumps: Path, dump: str, count: dict[str, int]
) -> None:
    counted: Counter[str] = Counter()
    for row in kite_shares(real_dumps, dump):
        text, exchange = row["tradingsymbol"], row["exchange"]
        share = symbols.parse(text, "kite", exchange, kind=Kind.CASH)
        assert isinstance(share, Share)
        assert symbols.format(share, "kite") == text
        assert symbols.canonical_id(share) == f"{exchange}:{text}"
        counted[exchange] += 1
    assert counted == count


def test_every_index_at_kite_is_read_and_written_back(real_dumps: Path) -> None:
    rows = [row for row in csv_rows(real_dumps / KITE) if row["segment"] == "INDICES"]
    assert len(rows) == 220
    for row in rows:
        index = symbols.parse(row["tradingsymbol"], "kite", row["exchange"], kind=Kind.INDEX)
        assert symbols.format(index, "kite") == row["tradingsymbol"]
        assert symbols.canonical_id(index) == f"INDEX:{row['tradingsymbol']}"


def test_kites_and_upstoxs_share_of_one_token_is_one_share(real_dumps: Path) -> None:
    """Kite writes the series into the symbol, Upstox beside it: both say the same."""
    upstox = {
        row["exchange_token"]: symbols.parse(
            row["trading_symbol"], "upstox", "NSE", series=row["instrument_type"]
        )
        for row in json_rows(real_dumps / UPSTOX)
        if row["segment"] == "NSE_EQ"
    }
    pairs = {
        row["tradingsymbol"]: upstox[row["exchange_token"]]
        for row in kite_shares(real_dumps, KITE)
        if row["exchange"] == "NSE" and row["exchange_token"] in upstox
    }
    assert len(pairs) == 9235
    differ = [
        (text, share)
        for text, share in pairs.items()
        if symbols.parse(text, "kite", "NSE") != share
    ]
    # Renamed in the twelve days between the two files.
    assert differ == [("KEL-SM", Share("NSE", "VISDEM", "SM"))]


def test_every_share_at_angel_one_says_its_series(real_dumps: Path) -> None:
    held: Counter[str] = Counter()
    refused = []
    for row in json_rows(real_dumps / ANGEL_ONE):
        exchange, text = row["exch_seg"], row["symbol"]
        if exchange not in {"NSE", "BSE"} or row["instrumenttype"] != "":
            continue
        try:
            share = symbols.parse(text, "angel_one", exchange)
        except SymbolNotRead:
            refused.append(text)
            continue
        assert isinstance(share, Share)
        assert share.symbol == row["name"]
        assert symbols.format(share, "angel_one") == text
        held[exchange] += 1
    assert held == {"NSE": 8592, "BSE": 12_433}
    # Indices without a type: no share, and not read as one.
    assert sorted(refused) == ["BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTY"]


def test_every_share_at_dhan_is_read_and_written_back(real_dumps: Path) -> None:
    held: Counter[str] = Counter()
    for row in csv_rows(real_dumps / DHAN):
        if row["SEM_SEGMENT"] == "E":
            exchange, text = row["SEM_EXM_EXCH_ID"], row["SEM_TRADING_SYMBOL"]
            series = row["SEM_SERIES"] if exchange == "NSE" else None
            share = symbols.parse(text, "dhan", exchange, series=series)
            assert share == Share(exchange, text, series)
            assert symbols.format(share, "dhan") == text
            held[exchange] += 1
    assert held == {"NSE": 9021, "BSE": 13_248}


# --- dbt's canonical ids ---------------------------------------------------------------------

LANDED = """
create temporary table landed (
    line_number integer, instrument_token bigint, exchange_token bigint, tradingsymbol text,
    name text, exchange text, segment text, instrument_type text, strike numeric,
    tick_size_inr numeric, lot_size integer, expiry_date date, is_typed boolean
)
"""


def contract_of(row: dict[str, str]) -> Contract:
    """The contract of a Kite row, from its columns."""
    kind = row["instrument_type"]
    if kind == "EQ":
        wanted = Kind.INDEX if row["segment"] == "INDICES" else Kind.CASH
        return symbols.parse(row["tradingsymbol"], "kite", row["exchange"], kind=wanted)
    expiry = date.fromisoformat(row["expiry"])
    if kind == "FUT":
        return Future(row["exchange"], row["name"], expiry)
    strike = Decimal(row["strike"])
    return Option(row["exchange"], row["name"], expiry, strike, OptionType(kind))


def model(project: Path) -> str:
    """The model's SQL with the project's own macro, reading a table of Kite's rows."""
    dbt = project / "dbt_project"
    macro = (dbt / "macros" / "formats" / "plain_number_text.sql").read_text()
    text = (dbt / "models/intermediate/int_kite_instruments__identified.sql").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    return environment.from_string(macro + text).render(ref=lambda _: "landed")


@pytest.mark.exhaustive
@pytest.mark.parametrize("dump", [KITE, KITE_EXPIRY_DAY])
def test_dbt_spells_the_same_ids(
    real_dumps: Path, project: Path, connection: psycopg.Connection[Any], dump: str
) -> None:
    contracts = {}
    connection.execute(LANDED)
    with connection.cursor().copy("copy landed from stdin") as copy:
        for line, row in enumerate(csv_rows(real_dumps / dump), start=2):
            contracts[line] = symbols.canonical_id(contract_of(row))
            copy.write_row(
                [line, 1, 1, row["tradingsymbol"], row["name"], row["exchange"], row["segment"],
                 row["instrument_type"], row["strike"] or None, 1, 1, row["expiry"] or None, True]
            )  # fmt: skip
    spelled = dict(
        connection.execute(
            f"select line_number, canonical_id from ({model(project)}) as model"
        ).fetchall()
    )
    assert len(spelled) > 38_000
    assert spelled.keys() == contracts.keys()
    differ = {line: (spelled[line], own) for line, own in contracts.items() if spelled[line] != own}
    assert differ == {}
