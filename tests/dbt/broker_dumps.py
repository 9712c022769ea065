"""Dumps of the other brokers, landed by the loader for a build of theirs."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg

from loader.feeds import FEEDS
from loader.fetch import FetchOptions, fetch
from loader.landing import ensure_schema, land
from loader.staging import ensure_table
from tests.dbt.conftest import Dbt, rows_of, with_feeds
from tests.dbt.kite_rows import OPS_TABLES, set_parameters

Database = psycopg.Connection[dict[str, Any]]

NOW = datetime(2026, 8, 17, 3, 10, tzinfo=UTC)

BUILD_FEEDS = """
create table if not exists ops.build_feeds (
    feed text primary key, load_id bigint, as_of_date date not null,
    is_stale boolean not null default false
)
"""

# A share, a contract and a row that goes no further, as the brokers write them.
SMALL_DUMPS = {
    "angel_one": [
        {"token": "2885", "symbol": "RELIANCE-EQ", "name": "RELIANCE", "expiry": "",
         "strike": "-1.000000", "lotsize": "1", "instrumenttype": "", "exch_seg": "NSE",
         "tick_size": "10.000000"},
        {"token": "12098", "symbol": "USDINR25N0787.625CE", "name": "USDINR",
         "expiry": "07NOV2025", "strike": "876250000.000000", "lotsize": "1",
         "instrumenttype": "OPTCUR", "exch_seg": "CDS", "tick_size": "25000.000000"},
        {"token": "14747", "symbol": "011NSETEST-EQ", "name": "011NSETEST", "expiry": "",
         "strike": "-1.000000", "lotsize": "1", "instrumenttype": "", "exch_seg": "NSE",
         "tick_size": "5.000000"},
    ],
    "dhan": """\
SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,\
SEM_TRADING_SYMBOL,SEM_LOT_UNITS,SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,\
SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,SM_SYMBOL_NAME
NSE,E,2885,EQUITY,0,RELIANCE,1.0,Reliance Industries,,,,10.0000,NA,ES,EQ,RELIANCE INDUSTRIES LTD
NSE,D,59182,FUTIDX,0,NIFTY-Feb2026-FUT,65.0,NIFTY FEB FUT,2026-02-24 14:30:00,-0.01000,XX,\
10.0000,M,FUT,,
BSE,C,1026077,FUTCUR,0,USDINR-28Aug2024-FUT,1.0,USDINR AUG FUT,2024-08-28 14:30:00,-0.01000,XX,\
0.2500,M,FUTCUR,,USDINR
""",
    "upstox": [
        {"segment": "NSE_EQ", "name": "RELIANCE INDUSTRIES LTD", "exchange": "NSE",
         "isin": "INE002A01018", "instrument_type": "EQ", "instrument_key": "NSE_EQ|INE002A01018",
         "lot_size": 1, "exchange_token": "2885", "tick_size": 10.0, "trading_symbol": "RELIANCE"},
        {"segment": "BSE_FO", "name": "SENSEX", "exchange": "BSE", "expiry": 1787855399000,
         "instrument_type": "PE", "underlying_symbol": "SENSEX", "instrument_key": "BSE_FO|835999",
         "lot_size": 20, "exchange_token": "835999", "tick_size": 5.0, "strike_price": 67200.0,
         "trading_symbol": "SENSEX 67200 PE 27 AUG 26"},
        {"segment": "NSE_FO", "name": "NIFTY", "exchange": "NSE", "expiry": 1787682599000,
         "instrument_type": "FUT", "underlying_symbol": "NIFTY", "instrument_key": "NSE_FO|58072",
         "lot_size": 65, "exchange_token": "58072", "tick_size": 10.0, "strike_price": 0.0,
         "trading_symbol": "NIFTY FUT 25 AUG 26"},
    ],
}  # fmt: skip
SMALL_AS_OF = {"angel_one": "2025-10-28", "dhan": "2026-02-10", "upstox": "2026-08-26"}


def small_dump(feed: str, folder: Path) -> Path:
    """Three real rows of a feed as a file."""
    rows = SMALL_DUMPS[feed]
    path = folder / f"{feed}.{'csv' if isinstance(rows, str) else 'json'}"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return path


def land_dump(
    connection: psycopg.Connection[Any], feed: str, path: Path, *, as_of: str, landing: Path
) -> int:
    """Land a file, and say that the next build is of it; how many rows there are."""
    ensure_schema(connection)
    day = date.fromisoformat(as_of)
    dump = fetch(str(path), FEEDS[feed], as_of=day, landing=landing, options=FetchOptions())
    load = land(
        connection, dump, FEEDS[feed], as_of=day, started_at=NOW, now=lambda: NOW
    )  # fmt: skip
    connection.execute(BUILD_FEEDS)
    connection.execute("delete from ops.build_feeds where feed = %s", [feed])
    connection.execute(
        "insert into ops.build_feeds (feed, load_id, as_of_date) values (%s, %s, %s)",
        [feed, load.load_id, as_of],
    )
    connection.commit()
    return load.rows


def build_dumps(
    dbt: Dbt,
    database: Database,
    dumps: dict[str, tuple[Path, str]],
    *,
    as_of: str,
    work: Path,
    selected: str = "int_broker_instruments__matched",
) -> None:
    """Land the dumps in their order and build what matching needs.

    Args:
        dumps: of each feed its file and the day that it is of.
        as_of: the day that the build is of.
        work: where dumps and what dbt compiles go.
        selected: the models, with all that they need.
    """
    loads = {}
    for feed, (path, day) in dumps.items():
        land_dump(database, feed, path, as_of=day, landing=work)
        loads[feed] = rows_of(database, f"select _load_id from staging.{feed}_instruments limit 1")
    database.execute(OPS_TABLES)
    set_parameters(database, 1, as_of=as_of, filter_text="nifty")
    for feed, (_, day) in dumps.items():
        database.execute("delete from ops.build_feeds where feed = %s", [feed])
        database.execute(
            "insert into ops.build_feeds values (%s, %s, %s, %s)",
            [feed, loads[feed][0]["_load_id"], day, day != as_of],
        )
    database.commit()
    if "kite" not in dumps:
        ensure_table(database, FEEDS["kite"])
        database.commit()
    made = with_feeds(dbt, ",".join(dict.fromkeys(["kite", *dumps])), work)
    models = [f"+{name}" for name in selected.split()]
    made.run("build", "--exclude-resource-type", "test", "unit_test", "--select", *models)
    # The plans of the questions below need to know how many rows there are.
    for name in ("identified", "matched"):
        database.execute(f"analyze candidate.int_broker_instruments__{name}")
    database.execute("analyze candidate.int_kite_instruments__identified")
    database.commit()
