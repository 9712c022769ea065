"""Publishes days of what several brokers list, without a build: rows go into the candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from exporters.postgres import publish
from tests.exporters.postgres.candidate_builder import TABLES, build, request
from tests.history_invariants import violations

MONDAY = date(2026, 8, 17)
SHAPE = """
alter table candidate.broker_instruments add column is_stale boolean not null default false;
alter table candidate.instruments
    add column exchange text, add column reference_broker text, add column name text,
    add column kind text,
    add column tick_size_inr numeric(18,6), add column expiry_date date,
    add column strike numeric(18,6);
create unlogged table candidate.instrument_continuity (
    canonical_id text primary key, continued_canonical_id text, relisted_instrument_id bigint
);
"""


@dataclass(frozen=True)
class Listing:
    """A row of one broker."""

    broker: str
    token: str
    symbol: str
    canonical_id: str | None = "NFO:NIFTY:2026-11-24:30000:CE"
    lot: int = 75
    tick: Decimal = Decimal("0.05")
    name: str = "NIFTY"
    expiry: date = date(2026, 11, 24)
    is_stale: bool = False
    exchange: str = "NFO"


KITE = Listing("kite", "512", "NIFTY26NOV30000CE")
ANGEL_ONE = Listing("angel_one", "2", "NIFTY24NOV2630000CE")
DHAN = Listing("dhan", "2", "NIFTY-Nov2026-30000-CE", lot=1, tick=Decimal("0.10"), name="")
UPSTOX = Listing("upstox", "NSE_FO|2", "NIFTY 30000 CE 24 NOV 26")
# What each broker lists besides, every day, so that none of them is new.
REST = tuple(
    Listing(broker, "9", f"REST-{broker}", f"NSE:REST-{broker}", name="")
    for broker in ("kite", "angel_one", "dhan", "upstox")
)
Told = tuple[str, str | None, str | None, str | None, str | None]


class Days:
    """Publishes day after day; a listing of an earlier broker is the reference of a later one."""

    def __init__(self, warehouse: psycopg.Connection) -> None:
        self.warehouse = warehouse
        self.day = MONDAY - timedelta(days=1)

    def publish(
        self,
        *listings: Listing,
        rest: Sequence[Listing] = REST,
        continued: dict[str, str] | None = None,
        relisted: dict[str, int] | None = None,
        again: bool = False,
    ) -> list[Told]:
        """The next day (or the same `again`); what is told of it."""
        self.day += timedelta(days=not again)
        build(self.warehouse, (), alter=SHAPE)
        references: dict[str, Listing] = {}
        for one in (*listings, *rest):
            self._execute(
                "insert into candidate.broker_instruments (broker, exchange, broker_token,"
                " instrument_token, canonical_id, tradingsymbol, name, instrument_type,"
                " expiry_date, tick_size_inr, lot_size, is_stale)"
                " values (%s, %s, %s, %s, %s, %s, %s, 'CE', %s, %s, %s, %s)",
                one.broker, one.exchange, one.token,
                int(one.token) if one.broker == "kite" else None, one.canonical_id, one.symbol,
                one.name, one.expiry, one.tick, one.lot, one.is_stale,
            )  # fmt: skip
            if one.canonical_id is not None:
                references.setdefault(one.canonical_id, one)
        for canonical_id, one in references.items():
            self._execute(
                "insert into candidate.instruments (canonical_id, exchange, tradingsymbol, name,"
                " lot_size, tick_size_inr, expiry_date, reference_broker, kind)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, 'option')",
                canonical_id, one.exchange, one.symbol, one.name, one.lot, one.tick, one.expiry,
                one.broker,
            )  # fmt: skip
        self._execute(
            "insert into candidate.active_subscriptions"
            " select instrument_token, canonical_id, 'filter' from candidate.broker_instruments"
            " where broker = 'kite' and name = 'NIFTY'"
        )
        for new, old in (continued or {}).items():
            self._execute("insert into candidate.instrument_continuity values (%s, %s)", new, old)
        for back, number in (relisted or {}).items():
            self._execute(
                "insert into candidate.instrument_continuity values (%s, null, %s)", back, number
            )
        self._publish()
        assert violations(self.warehouse) == {}
        return self.told()

    def _publish(self) -> None:
        tables = ("instrument_continuity", *TABLES)
        asked = request(None, tables=tables, as_of_date=self.day)
        publish(self.warehouse, asked)

    def _execute(self, query: str, *values: Any) -> None:
        self.warehouse.execute(query.encode(), values)

    def told(self, day: date | None = None) -> list[Told]:
        """What is believed to have happened on a day; by default on the last one."""
        return self.warehouse.execute(
            "select event, broker, broker_token, old_value, new_value"
            " from history.instrument_events where superseded_by is null and as_of_date = %s"
            " order by broker nulls first, event, broker_token",
            [day or self.day],
        ).fetchall()

    def id(self, canonical_id: str | None = KITE.canonical_id) -> int:
        """Which instrument an id is now."""
        row = self.warehouse.execute(
            "select instrument_id from history.current_instruments where canonical_id = %s",
            [canonical_id],
        ).fetchone()
        assert row is not None
        return int(row[0])
