"""Builds what dbt would build: candidate tables of a few rows, with keys, checks and views."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg

from exporters.postgres import PublishRequest, candidate_oids

TABLES = (
    "broker_instruments",
    "instruments",
    "active_subscriptions",
    "rejected_rows",
    "exp_redis__instruments",
    "exp_postgres__instruments",
    "exp_json__token_lookup",
)
DESTINATIONS = ("redis", "dotenv")
DAY_1 = datetime(2026, 8, 17, 3, 10, tzinfo=UTC)

_SHAPE = """
drop schema if exists candidate cascade;
create schema candidate;
create unlogged table candidate.broker_instruments (
    broker text not null,
    exchange text not null,
    broker_token text default gen_random_uuid(),
    instrument_token integer,
    canonical_id text,
    exchange_token integer,
    tradingsymbol text not null,
    name text,
    segment text,
    instrument_type text check (instrument_type in ('EQ', 'FUT', 'CE', 'PE')),
    expiry_date date,
    strike numeric(18,6),
    tick_size_inr numeric(18,6),
    lot_size integer,
    primary key (broker, exchange, broker_token)
);
comment on table candidate.broker_instruments is 'One row per broker and token.';
comment on column candidate.broker_instruments.strike is 'Rupees; null without one.';
create index on candidate.broker_instruments (canonical_id);
create unique index on candidate.broker_instruments (instrument_token);
create unlogged table candidate.instruments (
    canonical_id text primary key, tradingsymbol text not null, lot_size integer
);
create unlogged table candidate.active_subscriptions (
    instrument_token integer primary key, canonical_id text not null, origin text not null
);
create unlogged table candidate.rejected_rows (
    feed text, line_number bigint, column_name text, value text,
    primary key (feed, line_number, column_name)
);
create unlogged table candidate.exp_redis__instruments (
    instrument_token integer primary key, tradingsymbol text, strike text
);
"""

# How broker_instruments was before other brokers were read.
_KITE_ONLY = """
alter table candidate.broker_instruments
    drop constraint broker_instruments_pkey,
    add primary key (broker, instrument_token),
    drop column broker_token,
    alter column canonical_id set not null;
drop index candidate.broker_instruments_instrument_token_idx;
"""

_VIEWS = """
create view candidate.exp_postgres__instruments as
-- Named as the house's SQL names its imports: like the relation that is imported.
with broker_instruments as (select * from candidate.broker_instruments),
active_subscriptions as (select * from candidate.active_subscriptions)
select
    b.instrument_token, b.exchange_token, b.tradingsymbol as trading_symbol, b.name, b.exchange,
    b.segment, b.instrument_type, b.expiry_date as expiry, b.strike::numeric(12,2) as strike,
    b.tick_size_inr::numeric(10,4) as tick_size, b.lot_size,
    s.instrument_token is not null as is_active, b.broker as source
from broker_instruments as b
left join active_subscriptions as s on s.instrument_token = b.instrument_token
where b.broker = 'kite';
create view candidate.exp_json__token_lookup as
select e.instrument_token, e.exchange || ':' || e.trading_symbol as key
from candidate.exp_postgres__instruments as e;
"""


@dataclass(frozen=True)
class Row:
    """One instrument of the dump."""

    instrument_token: int
    tradingsymbol: str
    name: str | None = "NIFTY"
    exchange: str = "NFO"
    segment: str = "NFO-OPT"
    instrument_type: str = "CE"
    expiry_date: date | None = date(2026, 11, 24)
    strike: Decimal | None = Decimal(26450)
    tick_size_inr: Decimal = Decimal("0.05")
    lot_size: int = 75

    @property
    def canonical_id(self) -> str:
        if self.segment == "INDICES":
            return f"INDEX:{self.tradingsymbol}"
        if self.instrument_type == "EQ":
            return f"{self.exchange}:{self.tradingsymbol}"
        assert self.strike is not None
        strike = f"{self.strike.normalize():f}"
        return f"{self.exchange}:{self.name}:{self.expiry_date}:{strike}:{self.instrument_type}"


NIFTY_CE = Row(512, "NIFTY26NOV26450CE")
NIFTY_PE = Row(514, "NIFTY26NOV26450PE", instrument_type="PE")
BANKNIFTY_CE = Row(
    768, "BANKNIFTY26NOV55000CE", name="BANKNIFTY", strike=Decimal(55000), lot_size=35
)
GAIL_CE = Row(1026, "GAIL26NOV390.75CE", name="GAIL", strike=Decimal("390.75"), lot_size=3150)
RELIANCE = Row(
    738561, "RELIANCE", "RELIANCE INDUSTRIES", "NSE", "NSE", "EQ", None, None, Decimal("0.1"), 1
)
NIFTY_50 = Row(256265, "NIFTY 50", "NIFTY 50", "NSE", "INDICES", "EQ", None, None, Decimal(0), 0)
ROWS = (NIFTY_CE, NIFTY_PE, BANKNIFTY_CE, GAIL_CE, RELIANCE, NIFTY_50)


def build(
    connection: psycopg.Connection,
    rows: Iterable[Row] = ROWS,
    *,
    filters: Sequence[str] = ("NIFTY",),
    rejected: Iterable[tuple[str, int, str, str]] = (),
    alter: str = "",
    is_kite_only: bool = False,
) -> None:
    """Build the candidate, heeding the overrides and keeping subscriptions under no filter.

    `alter` is SQL that changes the empty tables before they are filled and the views are made;
    `is_kite_only` makes them as a warehouse did that knew no other broker.
    """
    rows = tuple(rows)
    with connection.transaction():
        connection.execute(_SHAPE.encode() + alter.encode())
        if is_kite_only:
            connection.execute(_KITE_ONLY)
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into candidate.broker_instruments (broker, instrument_token, canonical_id,"
                " exchange_token, tradingsymbol, name, exchange, segment, instrument_type,"
                " expiry_date, strike, tick_size_inr, lot_size)"
                " values ('kite', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (r.instrument_token, r.canonical_id, r.instrument_token // 256,
                     r.tradingsymbol, r.name, r.exchange, r.segment, r.instrument_type,
                     r.expiry_date, r.strike, r.tick_size_inr, r.lot_size)
                    for r in rows
                ],
            )  # fmt: skip
            cursor.executemany(
                "insert into candidate.rejected_rows values (%s, %s, %s, %s)", list(rejected)
            )
        if not is_kite_only:
            connection.execute(
                "update candidate.broker_instruments set broker_token = instrument_token::text"
            )
        connection.execute(
            "insert into candidate.instruments (canonical_id, tradingsymbol, lot_size)"
            " select canonical_id, tradingsymbol, lot_size from candidate.broker_instruments"
        )
        connection.execute(
            "insert into candidate.exp_redis__instruments (instrument_token, tradingsymbol, strike)"
            " select instrument_token, tradingsymbol, coalesce(strike, 0)::text"
            " from candidate.broker_instruments"
        )
        kept = "false"
        if not filters and connection.execute(
            "select to_regclass('marts.active_subscriptions')"
        ).fetchone() != (None,):
            kept = "exists (select from marts.active_subscriptions as m"
            kept += " where m.canonical_id = b.canonical_id)"
        connection.execute(
            "insert into candidate.active_subscriptions"
            " select b.instrument_token, b.canonical_id, case when b.name = any(%(names)s)"
            " and b.segment = 'NFO-OPT' then 'filter' when o.is_active then 'override'"
            " else 'kept' end"
            " from candidate.broker_instruments as b"
            " left join ops.subscription_overrides as o using (canonical_id)"
            " where coalesce(o.is_active, b.name = any(%(names)s) and b.segment = 'NFO-OPT'"
            f" or {kept})".encode(),
            {"names": list(filters)},
        )
        connection.execute(_VIEWS)


def request(connection: psycopg.Connection | None = None, **changes: object) -> PublishRequest:
    """A request for the whole candidate; guarded by its oids when a connection is given."""
    asked = PublishRequest(
        tables=TABLES,
        as_of_date=date(2026, 8, 17),
        published_at=DAY_1,
        filter="nifty",
        fingerprint="f1",
        run_id="run-1",
        load_id=7,
        dump_sha256="ab" * 32,
        destinations=DESTINATIONS,
        expected_oids=candidate_oids(connection, "candidate", TABLES) if connection else None,
        lock_timeout_ms=200,
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def content(connection: psycopg.Connection, relation: str) -> list[tuple[object, ...]]:
    """The whole rows of a relation, sorted."""
    with connection.transaction():
        rows = connection.execute(f"select * from {relation}".encode()).fetchall()
    return sorted(rows, key=repr)


def everything(connection: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """All that consumers can see, by relation."""
    relations = [f"marts.{name}" for name in TABLES] + ["public.instruments", "ops.publications",
        "ops.exports", "history.publication_changes", "ops.subscription_overrides"]  # fmt: skip
    with connection.transaction():
        exist = [
            name for name in relations
            if connection.execute("select to_regclass(%s)", [name]).fetchone() != (None,)
        ]  # fmt: skip
    return {name: content(connection, name) for name in exist}
