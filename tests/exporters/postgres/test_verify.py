"""What a repeat of the same sync looks at, and the ledger of exports."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from exporters.destination import Plan
from exporters.postgres import (
    PendingExport,
    last_publication_id,
    pending_exports,
    publish,
    record_export,
    repair_instruments,
    verify_published,
)
from exporters.schema import ensure_schema
from tests.exporters.postgres.candidate_builder import (
    DAY_1,
    GAIL_CE,
    ROWS,
    build,
    content,
    everything,
    request,
)

LATER = DAY_1 + timedelta(days=1)


@pytest.fixture
def published(warehouse: psycopg.Connection) -> psycopg.Connection:
    build(warehouse)
    publish(warehouse, request(warehouse))
    return warehouse


def test_nothing_published_is_nothing_to_verify(warehouse: psycopg.Connection) -> None:
    assert verify_published(warehouse) == []
    assert last_publication_id(warehouse) is None
    assert pending_exports(warehouse) == ()


def test_untouched_publication_verifies_under_any_session_settings(
    published: psycopg.Connection,
) -> None:
    published.execute("set datestyle = 'German'; set timezone = 'Asia/Kolkata'")
    assert verify_published(published) == []
    assert published.execute("show datestyle").fetchone() == ("German, DMY",)


DIFFERS = (
    "public.instruments differs from marts.exp_postgres__instruments in 1 rows, such as tokens "
)
STRANGER = "(instrument_token, trading_symbol, exchange, is_active) values (3, 'X', 'NSE', true)"
REJECTED = "insert into marts.rejected_rows values ('a', 1, 'b', 'c')"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("update marts.instruments set lot_size = 1 where lot_size = 75",
         "marts.instruments holds other values, not the 6 rows that were published"),
        ("delete from marts.instruments where lot_size = 3150",
         "marts.instruments holds 5 rows, not the 6 rows that were published"),
        (REJECTED, "marts.rejected_rows holds 1 rows, not the 0 rows that were published"),
        ("drop table marts.instruments cascade", "marts.instruments does not exist"),
        ("drop view marts.exp_json__token_lookup", "marts.exp_json__token_lookup does not exist"),
        ("update instruments set lot_size = 1 where name = 'GAIL'", DIFFERS + "1026"),
        ("delete from instruments where name = 'GAIL'", DIFFERS + "1026"),
        ("insert into instruments " + STRANGER, DIFFERS + "3"),
        ("drop table instruments", "public.instruments does not exist"),
        ("alter table instruments drop column expiry", "public.instruments lacks column expiry"),
    ],
)  # fmt: skip
def test_damage_is_told(published: psycopg.Connection, damage: str, told: str) -> None:
    published.execute(damage.encode())
    assert verify_published(published) == [told]


@pytest.mark.parametrize(
    "damage",
    ["update instruments set lot_size = 1", "delete from instruments", "drop table instruments",
     "insert into instruments (instrument_token, trading_symbol, exchange) values (3, 'X', 'N')"],
)  # fmt: skip
def test_damaged_legacy_table_is_repaired_without_a_publication(
    published: psycopg.Connection, damage: str
) -> None:
    rows = "(select to_jsonb(i) - 'last_updated' from public.instruments as i) as shown"
    before = content(published, rows)
    published.execute(damage.encode())
    plan = repair_instruments(published, now=LATER)
    assert not plan.is_empty
    assert content(published, rows) == before
    assert last_publication_id(published) == 1


def test_verification_can_repair_the_legacy_table(published: psycopg.Connection) -> None:
    published.execute("update instruments set lot_size = 1 where name = 'GAIL'")
    told = verify_published(published, repair_legacy=True, now=LATER)
    assert len(told) == 1
    assert told[0].endswith("repaired: 0 added, 1 changed, 0 removed")
    assert verify_published(published) == []


def test_inactive_row_that_left_the_dump_is_no_damage(published: psycopg.Connection) -> None:
    published.execute("create table orders (token integer references instruments)")
    published.execute("insert into orders values (1026)")
    build(published, [row for row in ROWS if row is not GAIL_CE])
    publish(published, request(published))
    assert verify_published(published) == []


def test_next_publication_mends_damaged_published_tables(published: psycopg.Connection) -> None:
    published.execute("update marts.instruments set lot_size = 1; delete from marts.rejected_rows")
    build(published)
    publish(published, request(published))
    assert verify_published(published) == []
    assert content(published, "marts.instruments") == content(published, "candidate.instruments")


def test_exports_are_pending_until_recorded(published: psycopg.Connection) -> None:
    assert pending_exports(published) == (
        PendingExport(1, "dotenv", "pending", None), PendingExport(1, "redis", "pending", None),
    )  # fmt: skip
    record_export(published, 1, "redis", status="failed", started_at=DAY_1, finished_at=LATER,
                  error="connection refused")  # fmt: skip
    record_export(published, 1, "dotenv", status="complete", started_at=DAY_1, finished_at=LATER,
                  plan=Plan(added=1, changed=2, removed=3))  # fmt: skip
    assert pending_exports(published) == (
        PendingExport(1, "redis", "failed", "connection refused"),
    )
    assert content(published, "ops.exports")[0][:6] == (1, "dotenv", "complete", 1, 2, 3)
    record_export(published, 1, "redis", status="complete", started_at=DAY_1, finished_at=LATER)
    assert pending_exports(published) == ()


def test_schema_can_be_ensured_again(published: psycopg.Connection) -> None:
    before = everything(published)
    ensure_schema(published)
    assert everything(published) == before
