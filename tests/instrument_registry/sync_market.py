"""A published focus set as the monitor finds it: database, files and snapshot, all in step.

Which contracts belong to it is known by construction: of 25 strikes the middle one is the 13th,
so that ten on either side are the 3rd to the 23rd.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from instrument_registry.records import BrokerRow, Publication
from instrument_registry.registry_sync_monitor import RegistrySyncMonitor
from instrument_registry.settings import read_settings
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from instrument_registry.sync.check import Status
from instrument_registry.sync.comparison import HolderReport
from instrument_registry.sync.settings import MonitorSettings, read_monitor_settings
from tests.instrument_registry import published

PROJECT = Path(__file__).resolve().parents[2]
DAY = date(2026, 8, 17)
AT = datetime(2026, 8, 17, 3, 5, tzinfo=UTC)
UNDERLYINGS = (("BANKNIFTY", "NFO", 55000), ("NIFTY", "NFO", 24000), ("SENSEX", "BFO", 80000))
# The first has expired, the last is too far.
OPTION_DAYS = (date(2026, 8, 11), date(2026, 8, 17), date(2026, 8, 25), date(2026, 9, 1))
FUTURE_DAYS = (date(2026, 7, 28), date(2026, 8, 25), date(2026, 9, 29), date(2026, 10, 27))
STEPS = 25
FILES = {"kite": ("zerodha", "zerodha_csv"), "upstox": ("upstox", "upstox_json")}
TABLE = """
    drop table marts.focus_instruments;
    create table marts.focus_instruments (
        canonical_id text primary key, instrument_token integer not null,
        tradingsymbol text not null, underlying text not null, exchange text not null,
        kind text not null, option_type text, expiry_rank integer, strike_offset integer,
        reference_price_source text, strike numeric(18, 6), reference_price numeric(18, 6),
        tick_size_inr numeric(18, 6), lot_size integer, expiry_date date not null);
"""


def contract_row(
    broker: str, exchange: str, underlying: str, expiry: date, number: int,
    strike: int | None = None, kind: str = "FUT",
) -> BrokerRow:  # fmt: skip
    head = f"{exchange}:{underlying}:{expiry}"
    identity = f"{head}:FUT" if strike is None else f"{head}:{strike}:{kind}"
    text = f"{underlying}{expiry:%y%m%d}{strike or ''}{kind}"
    token = str(number * 256 + 2)
    if broker == "upstox":
        text, token = (
            f"{underlying} {strike or ''} {kind} {expiry:%d %b %y}".upper(),
            f"FO|{number}",
        )
    return BrokerRow(
        broker, exchange, token, identity, text, underlying, exchange, kind, None,
        None if strike is None else Decimal(strike), Decimal("0.05"), 75, expiry,
    )  # fmt: skip


def contracts(broker: str) -> Iterator[BrokerRow]:
    """Every contract; some that are not of the focus set by name alone, and a share."""
    number = 40_000
    for underlying, exchange, base in (*UNDERLYINGS, ("NIFTYNXT50", "NFO", 60000)):
        for expiry in FUTURE_DAYS:
            number += 1
            yield contract_row(broker, exchange, underlying, expiry, number)
        for expiry in OPTION_DAYS:
            for step in range(STEPS):
                for kind in ("CE", "PE"):
                    number += 1
                    strike = base + 100 * step
                    yield contract_row(broker, exchange, underlying, expiry, number, strike, kind)
    yield BrokerRow(
        broker, "NSE", "738561", "NSE:RELIANCE", "RELIANCE", "RELIANCE", "NSE", "EQ", None, None,
        Decimal("0.05"), 1, None,
    )  # fmt: skip


def market() -> list[BrokerRow]:
    return [row for broker in FILES for row in contracts(broker)]


def focus_ids() -> set[str]:
    found = set()
    for underlying, exchange, base in UNDERLYINGS:
        found |= {f"{exchange}:{underlying}:{expiry}:FUT" for expiry in FUTURE_DAYS[1:3]}
        found |= {
            f"{exchange}:{underlying}:{expiry}:{base + 100 * step}:{kind}"
            for expiry in OPTION_DAYS[1:3]
            for step in range(2, 23)
            for kind in ("CE", "PE")
        }
    return found


def money_of(underlying: str) -> int:
    return next(base for name, _, base in UNDERLYINGS if name == underlying) + 1200


@dataclass
class Site:
    """Where everything of one test is; published once."""

    folder: Path
    dsn: str
    rows: list[BrokerRow] = field(default_factory=market)
    said: dict[str, str] = field(default_factory=dict)

    @property
    def focus_file(self) -> Path:
        return self.folder / "files" / "focus_instruments.json"

    @property
    def lookup_file(self) -> Path:
        return self.folder / "files" / "token_lookup_enriched.json"

    @property
    def snapshot_file(self) -> Path:
        return self.folder / "registry.snapshot"

    def settings(self, **said: str) -> MonitorSettings:
        environment = {
            "WAREHOUSE_HOME": str(self.folder), "DATABASE_URL": self.dsn,
            "REGISTRY_MAX_AGE_HOURS": "unlimited", "PATH": "/usr/bin:/bin", **self.said, **said,
        }  # fmt: skip
        return read_monitor_settings(read_settings(environment))

    def monitor(self, *holders: str, **said: str) -> RegistrySyncMonitor:
        return RegistrySyncMonitor(self.settings(**said), holders=holders or None)

    def check(self, *holders: str, **said: str) -> Status:
        return self.monitor(*holders, **said).check()

    def report(self, holder: str, **said: str) -> HolderReport:
        (found,) = self.check(holder, **said).holders
        return found

    def execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def publish(self, number: int = 7, at: datetime = AT) -> None:
        """Everything anew: the tables, the files, the snapshot."""
        self.execute("delete from ops.publications where publication_id = %s", number)
        published.publish(self.dsn, self.rows, number=number, at=at)
        self.fill_table()
        self.write_snapshot(number, at)
        self.write_files(at)

    def focus_rows(self, broker: str = "kite") -> list[BrokerRow]:
        """The rows of the focus set; the first of a contract that is listed twice."""
        ids = focus_ids()
        found = {
            str(row.canonical_id): row
            for row in reversed(self.rows)
            if row.broker == broker and row.canonical_id in ids
        }
        return list(found.values())

    def fill_table(self) -> None:
        with psycopg.connect(self.dsn) as connection, connection.cursor() as cursor:
            cursor.execute("truncate marts.focus_instruments")
            cursor.executemany(
                "insert into marts.focus_instruments (canonical_id, instrument_token,"
                " tradingsymbol, underlying, exchange, kind, strike, reference_price,"
                " reference_price_source, tick_size_inr, lot_size, expiry_date)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, 'middle_strike', %s, %s, %s)",
                [
                    (
                        row.canonical_id, int(row.broker_token), row.tradingsymbol, row.name,
                        row.exchange, "future" if row.strike is None else "option", row.strike,
                        money_of(row.name), row.tick_size_inr, row.lot_size, row.expiry_date,
                    )
                    for row in self.focus_rows()
                ],
            )  # fmt: skip

    def write_snapshot(self, number: int = 7, at: datetime = AT, day: date = DAY) -> None:
        told = Publication(number, at, day)
        snapshot.write(self.snapshot_file, Contents.of(self.rows, told, focus_ids()))

    def write_files(self, at: datetime = AT) -> None:
        self.focus_file.parent.mkdir(exist_ok=True)
        spelled = {name: self.focus_rows(name) for name in FILES}
        symbols = sorted({row.tradingsymbol for rows in spelled.values() for row in rows})
        document = {
            "symbols": symbols,
            "total_symbols": len(symbols),
            "source": {
                broker: {
                    "file": file,
                    "total": len(spelled[name]),
                    "by_type": Counter(row.instrument_type for row in spelled[name]),
                }
                for name, (broker, file) in FILES.items()
            },
            "underlying_indices": [name for name, _, _ in UNDERLYINGS],
            "generated_date": at.date().isoformat(),
            "description": "made for a test",
        }
        self.focus_file.write_text(json.dumps(document))
        entries = {row.broker_token: entry(row) for row in self.rows if row.broker == "kite"}
        self.lookup_file.write_text(json.dumps(entries))

    def change_focus_file(self, **members: object) -> None:
        document = json.loads(self.focus_file.read_text())
        self.focus_file.write_text(json.dumps(document | members))

    def lookup(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads(self.lookup_file.read_text())
        return found


def entry(row: BrokerRow) -> dict[str, Any]:
    """As CONTRACTS say that `token_lookup_enriched.json` has it."""
    return {
        "instrument_token": int(row.broker_token),
        "exchange_token": str(int(row.broker_token) // 256),
        "tradingsymbol": row.tradingsymbol, "name": row.name, "last_price": 0.0,
        "expiry": "" if row.expiry_date is None else row.expiry_date.isoformat(),
        "strike": float(row.strike or 0), "tick_size": float(row.tick_size_inr or 0),
        "lot_size": row.lot_size, "instrument_type": row.instrument_type, "segment": row.segment,
        "exchange": row.exchange, "key": f"{row.exchange}:{row.tradingsymbol}",
        "source": "zerodha_csv",
    }  # fmt: skip


def make_site(folder: Path, dsn: str) -> Site:
    """A site that was published; its ledger is the warehouse's own."""
    published.create(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute(TABLE)
        schema = (PROJECT / "warehouse" / "schema.sql").read_text()
        connection.execute(schema)  # type: ignore[arg-type]  # the project's own
    site = Site(folder, dsn)
    site.publish()
    return site
