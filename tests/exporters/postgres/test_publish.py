from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg.rows import dict_row

from exporters.errors import DestinationRefused, VerificationError
from exporters.postgres import CandidateChanged, candidate_oids, publish
from tests.exporters.postgres.candidate_builder import (
    BANKNIFTY_CE,
    DAY_1,
    GAIL_CE,
    NIFTY_50,
    NIFTY_CE,
    NIFTY_PE,
    RELIANCE,
    ROWS,
    TABLES,
    Row,
    build,
    content,
    everything,
    request,
)

DAY_2 = DAY_1 + timedelta(days=1)
LISTED = Row(1280, "NIFTY26NOV26500CE", strike=Decimal(26500))
GAIL_CHANGED = replace(GAIL_CE, lot_size=3300)
NEXT_DAY = (NIFTY_CE, BANKNIFTY_CE, GAIL_CHANGED, RELIANCE, NIFTY_50, LISTED)


def test_first_publication_shows_the_candidate_whole(warehouse: psycopg.Connection) -> None:
    build(warehouse, rejected=[("kite", 7, "expiry", "31-12-2026")])
    publish(warehouse, request(warehouse))
    for name in TABLES:
        assert content(warehouse, f"marts.{name}") == content(warehouse, f"candidate.{name}")
    with warehouse.cursor(row_factory=dict_row) as cursor:
        cursor.execute("select * from public.instruments where instrument_token = 1026")
        assert cursor.fetchone() == {
            "instrument_token": 1026,
            "exchange_token": 4,
            "trading_symbol": "GAIL26NOV390.75CE",
            "name": "GAIL",
            "exchange": "NFO",
            "segment": "NFO-OPT",
            "instrument_type": "CE",
            "expiry": GAIL_CE.expiry_date,
            "strike": Decimal("390.75"),
            "tick_size": Decimal("0.0500"),
            "lot_size": 3150,
            "last_updated": DAY_1,
            "is_active": False,
            "security_id": None,
            "source": "kite",
        }
    streamed = warehouse.execute(
        "SELECT instrument_token FROM instruments WHERE is_active = TRUE ORDER BY instrument_token"
    ).fetchall()
    assert streamed == [(512,), (514,)]


def test_published_tables_survive_a_crash_and_keep_keys_checks_indexes_and_comments(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    persistence = warehouse.execute(
        "select distinct relpersistence::text from pg_class"
        " where relnamespace = 'marts'::regnamespace and relkind = 'r'"
    ).fetchall()
    assert persistence == [("p",)]
    shape = """
        select replace(d, '{schema}.', '') from (
            select pg_get_constraintdef(oid) as d from pg_constraint
            where conrelid = '{schema}.broker_instruments'::regclass
            union all
            select pg_get_indexdef(indexrelid) from pg_index
            where indrelid = '{schema}.broker_instruments'::regclass
            union all
            select obj_description('{schema}.broker_instruments'::regclass)
            union all
            select col_description('{schema}.broker_instruments'::regclass, 11)
        ) as found order by 1"""
    assert (
        warehouse.execute(shape.format(schema="marts").encode()).fetchall()
        == warehouse.execute(shape.format(schema="candidate").encode()).fetchall()
    )


def test_later_publication_applies_the_difference_and_tells_it(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY)
    publication = publish(warehouse, request(warehouse, published_at=DAY_2))
    for name in TABLES:
        assert content(warehouse, f"marts.{name}") == content(warehouse, f"candidate.{name}")
    plan = publication.tables["broker_instruments"]
    assert (plan.added, plan.changed, plan.removed) == (1, 1, 1)
    assert plan.samples == {
        "added": ("kite NFO 1280",),
        "changed": ("kite NFO 1026: lot_size 3150 -> 3300",),
        "removed": ("kite NFO 514",),
    }
    legacy = publication.instruments
    assert legacy is not None
    assert (legacy.added, legacy.changed, legacy.removed) == (1, 1, 1)
    assert legacy.samples == {
        "added": ("1280 NIFTY26NOV26500CE",),
        "changed": ("1026 GAIL26NOV390.75CE: lot_size 3150 -> 3300",),
        "removed": ("514 NIFTY26NOV26450PE",),
    }


def test_rows_that_do_not_differ_are_not_touched(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    versions = "select ctid::text, xmin::text, r.* from {} as r order by 1"
    names = [f"marts.{name}" for name in TABLES[:5]] + ["public.instruments"]
    before = [warehouse.execute(versions.format(name).encode()).fetchall() for name in names]
    build(warehouse)
    publication = publish(warehouse, request(warehouse, published_at=DAY_2))
    after = [warehouse.execute(versions.format(name).encode()).fetchall() for name in names]
    assert before == after
    assert all(plan.is_empty for plan in publication.tables.values())
    assert publication.instruments is not None
    assert publication.instruments.is_empty
    assert publication.publication_id == 2


def test_last_updated_changes_only_in_rows_that_change(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY)
    publish(warehouse, request(warehouse, published_at=DAY_2))
    updated = dict(
        warehouse.execute("select instrument_token, last_updated from instruments").fetchall()
    )
    unchanged = dict.fromkeys((512, 768, 738561, 256265), DAY_1)
    assert updated == unchanged | {1026: DAY_2, 1280: DAY_2}


def test_symbol_and_token_that_change_hands_are_published(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    swapped = (
        replace(NIFTY_CE, instrument_token=768),
        replace(BANKNIFTY_CE, instrument_token=512),
        *ROWS[1:2],
        *ROWS[3:],
    )
    build(warehouse, swapped)
    publish(warehouse, request(warehouse))
    for name in TABLES:
        assert content(warehouse, f"marts.{name}") == content(warehouse, f"candidate.{name}")


def test_hostile_values_are_published_as_they_are(warehouse: psycopg.Connection) -> None:
    names = [
        "O'Neil",
        'say "hi"',
        "a\nb\tc",
        "'; drop table instruments; --",
        "%s %(x)s {}",
        "é" * 9000,
    ]
    rows = [replace(RELIANCE, instrument_token=i, tradingsymbol=f"S{i}", name=n)
            for i, n in enumerate(names, 1)]  # fmt: skip
    build(warehouse, rows)
    publish(warehouse, request(warehouse))
    build(warehouse, [replace(row, name=f"{row.name}!") for row in rows])
    publish(warehouse, request(warehouse))
    found = warehouse.execute("select name from instruments order by instrument_token").fetchall()
    assert [name for (name,) in found] == [f"{name}!" for name in names]


def test_ledger_says_what_was_published(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY)
    publish(
        warehouse,
        request(warehouse, published_at=DAY_2, fingerprint="f2", destinations=("redis",)),
    )
    with warehouse.cursor(row_factory=dict_row) as cursor:
        ledger = cursor.execute("select * from ops.publications order by 1").fetchall()
        exports = cursor.execute(
            "select publication_id, destination, status from ops.exports order by 1, 2"
        ).fetchall()
    summary = ledger[1].pop("summary")
    assert ledger[1] == {
        "publication_id": 2,
        "published_at": DAY_2,
        "as_of_date": request().as_of_date,
        "run_id": "run-1",
        "load_id": 7,
        "filter": "nifty",
        "dump_sha256": "ab" * 32,
        "fingerprint": "f2",
        "rollback_of": None,
        "rows_total": 6,
        "brought_in_after": None,
    }
    counts = {key: summary["tables"]["broker_instruments"][key]
              for key in ("rows", "added", "changed", "removed")}  # fmt: skip
    assert counts == {"rows": 6, "added": 1, "changed": 1, "removed": 1}
    assert summary["rows_by_exchange"] == {"NFO": 4, "NSE": 2}
    assert summary["subscriptions"] == 2
    assert [tuple(row.values()) for row in exports] == [
        (1, "dotenv", "superseded"), (1, "redis", "superseded"), (2, "redis", "pending"),
    ]  # fmt: skip


def test_undo_log_holds_whole_old_rows_of_tables_that_were_not_empty(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    assert content(warehouse, "history.publication_changes") == []
    build(warehouse, NEXT_DAY, rejected=[("kite", 7, "expiry", "x")])
    publish(warehouse, request(warehouse))
    noted = warehouse.execute(
        "select table_name, key, change, before from history.publication_changes"
        " where table_name in ('instruments', 'rejected_rows') order by change"
    ).fetchall()
    gail, pe = GAIL_CE.canonical_id, NIFTY_PE.canonical_id
    assert noted == [
        ("instruments", {"canonical_id": LISTED.canonical_id}, "added", None),
        ("instruments", {"canonical_id": gail}, "changed",
         {"canonical_id": gail, "tradingsymbol": GAIL_CE.tradingsymbol, "lot_size": 3150}),
        ("instruments", {"canonical_id": pe}, "removed",
         {"canonical_id": pe, "tradingsymbol": NIFTY_PE.tradingsymbol, "lot_size": 75}),
    ]  # fmt: skip


def test_listeners_are_notified_of_the_publication(
    warehouse: psycopg.Connection, other: psycopg.Connection
) -> None:
    other.autocommit = True
    other.execute("listen instruments_published")
    build(warehouse)
    publish(warehouse, request(warehouse), plan_only=True)
    publish(warehouse, request(warehouse))
    notices = list(other.notifies(timeout=5, stop_after=1))
    payload = json.loads(notices[0].payload)
    assert (payload["publication_id"], payload["rows"], payload["subscriptions"]) == (1, 6, 2)


def test_plan_only_tells_the_difference_and_changes_nothing(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY, alter="alter table candidate.instruments add column isin text;")
    before = everything(warehouse)
    plan = publish(warehouse, request(warehouse), plan_only=True)
    assert everything(warehouse) == before
    assert plan.is_plan
    assert plan.migrations == ("marts.instruments: add column isin text",)
    assert plan.tables == publish(warehouse, request(warehouse)).tables


def test_candidate_rebuilt_since_the_audit_is_refused(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    audited = request(warehouse)
    build(warehouse)
    before = everything(warehouse)
    with pytest.raises(CandidateChanged, match=r"candidate\.broker_instruments.*since the audit"):
        publish(warehouse, audited)
    assert everything(warehouse) == before


def test_candidate_without_one_of_its_tables_is_refused(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    warehouse.execute("drop table candidate.rejected_rows")
    with pytest.raises(CandidateChanged, match="rejected_rows"):
        publish(warehouse, request())
    assert set(candidate_oids(warehouse, "candidate", TABLES)) == {*TABLES} - {"rejected_rows"}


def test_candidate_emptied_by_a_crash_of_the_server_is_refused(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    before = everything(warehouse)
    audited = request(warehouse)
    for name in TABLES[:5]:
        warehouse.execute(f"delete from candidate.{name}".encode())  # what recovery leaves
    with pytest.raises(CandidateChanged, match="all 5 tables of candidate are empty"):
        publish(warehouse, audited)
    assert everything(warehouse) == before


def test_candidate_without_a_primary_key_is_refused(warehouse: psycopg.Connection) -> None:
    build(warehouse, alter="alter table candidate.instruments drop constraint instruments_pkey;")
    with pytest.raises(DestinationRefused, match=r"candidate\.instruments has no primary key"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse)["ops.publications"] == []


def test_trigger_that_falsifies_a_published_table_stops_the_publication(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "create function falsify() returns trigger language plpgsql as"
        " 'begin new.lot_size := 1; return new; end';"
        "create trigger falsify before insert or update on marts.instruments"
        " for each row execute function falsify()"
    )
    before = everything(warehouse)
    build(warehouse, NEXT_DAY)
    with pytest.raises(VerificationError, match=r"marts\.instruments .* 2 differ"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_publishing_with_unchanged_shape_takes_only_row_locks_on_published_tables(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, NEXT_DAY)
    # A trigger looks at the locks at the end of the publication's work.
    warehouse.execute(
        "create table seen (mode text, relation text);"
        "create function look() returns trigger language plpgsql as 'begin"
        " insert into seen select mode, relation::regclass::text from pg_locks"
        " where pid = pg_backend_pid() and locktype = ''relation''; return null; end';"
        "create trigger look after insert on ops.exports execute function look()"
    )
    publish(warehouse, request(warehouse))
    modes = warehouse.execute(
        "select distinct mode from seen where relation like 'marts.%' order by 1"
    ).fetchall()
    assert modes == [("AccessShareLock",), ("RowExclusiveLock",)]
    held = warehouse.execute(
        "select mode from seen where relation = 'instruments' and mode ~ 'Exclusive' order by 1"
    ).fetchall()
    assert ("ShareRowExclusiveLock",) in held
    assert ("AccessExclusiveLock",) not in held


def test_connection_that_had_begun_a_transaction_can_publish(
    warehouse: psycopg.Connection, other: psycopg.Connection
) -> None:
    build(warehouse)
    other.execute("select count(*) from ops.publications")
    publish(other, request())
    assert content(warehouse, "marts.instruments") == content(warehouse, "candidate.instruments")
    with other.transaction(), pytest.raises(psycopg.ProgrammingError):
        publish(other, request())
