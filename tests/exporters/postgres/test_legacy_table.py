"""`public.instruments`, which existed before and which others hang on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from exporters.errors import DestinationRefused, VerificationError
from exporters.postgres import capture_overrides, publish
from tests.exporters.postgres.candidate_builder import (
    DAY_1,
    GAIL_CE,
    NIFTY_CE,
    NIFTY_PE,
    RELIANCE,
    ROWS,
    build,
    content,
    everything,
    request,
)

DAY_2 = DAY_1 + timedelta(days=1)
WITHOUT_PE = tuple(row for row in ROWS if row is not NIFTY_PE)

OLD_TABLE = """
create table public.instruments (
    instrument_token integer primary key, trading_symbol text not null, exchange text not null,
    name varchar(50), strike numeric(12,2), is_active boolean default false, remark text
)
"""


def tokens(connection: psycopg.Connection) -> dict[int, bool | None]:
    return dict(
        connection.execute(
            "select instrument_token, is_active from instruments order by 1"
        ).fetchall()
    )


def test_older_table_keeps_its_rows_columns_and_dependants_and_gains_what_is_missing(
    warehouse: psycopg.Connection,
) -> None:
    warehouse.execute(OLD_TABLE)
    warehouse.execute(
        "insert into instruments values (512, 'OLD', 'NFO', null, 1, false, 'mine');"
        "create index by_name on instruments (name);"
        "create view watched as select instrument_token, remark from instruments;"
        "create role reader_of_instruments; grant select on instruments to reader_of_instruments;"
        "create table orders (token integer references instruments);"
        "insert into orders values (512)"
    )
    oid = warehouse.execute("select 'instruments'::regclass::oid").fetchone()
    try:
        build(warehouse)
        publication = publish(warehouse, request(warehouse))
        assert warehouse.execute("select 'instruments'::regclass::oid").fetchone() == oid
        assert "public.instruments: add column expiry" in publication.migrations
        row = warehouse.execute(
            "select trading_symbol, remark, strike, source, last_updated, security_id"
            " from instruments where instrument_token = 512"
        ).fetchone()
        assert row == (NIFTY_CE.tradingsymbol, "mine", Decimal(26450), "kite", DAY_1, None)
        assert warehouse.execute("select * from watched where remark is not null").fetchall() == [
            (512, "mine")
        ]
        assert warehouse.execute("select to_regclass('by_name') is not null").fetchone() == (True,)
        assert warehouse.execute(
            "select has_table_privilege('reader_of_instruments', 'instruments', 'select')"
        ).fetchone() == (True,)
        assert warehouse.execute("select * from orders").fetchall() == [(512,)]
    finally:
        warehouse.execute("drop owned by reader_of_instruments; drop role reader_of_instruments")


def test_departed_instrument_is_deleted(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, WITHOUT_PE)
    publish(warehouse, request(warehouse))
    assert 514 not in tokens(warehouse)


@pytest.mark.parametrize(
    "rule", ["", "on delete cascade", "on delete set null", "on delete restrict",
             "deferrable initially deferred"],
)  # fmt: skip
def test_departed_instrument_that_something_refers_to_is_kept_inactive(
    warehouse: psycopg.Connection, rule: str
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(f"create table orders (token integer references instruments {rule})".encode())
    warehouse.execute("insert into orders values (514), (null)")
    build(warehouse, WITHOUT_PE)
    publication = publish(warehouse, request(warehouse, published_at=DAY_2))
    assert tokens(warehouse)[514] is False
    assert warehouse.execute("select token from orders order by 1").fetchall() == [(514,), (None,)]
    assert publication.instruments is not None
    assert publication.instruments.note == (
        "1 that left the dump are kept inactive: something refers to them"
    )
    # Kept, it is not touched again; and it goes when nothing refers to it any more.
    row = "select ctid::text from instruments where instrument_token = 514"
    before = warehouse.execute(row).fetchone()
    build(warehouse, WITHOUT_PE)
    publish(warehouse, request(warehouse))
    assert warehouse.execute(row).fetchone() == before
    warehouse.execute("delete from orders")
    build(warehouse, WITHOUT_PE)
    publish(warehouse, request(warehouse))
    assert 514 not in tokens(warehouse)


def test_reference_by_other_columns_keeps_the_row(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "alter table instruments add unique (trading_symbol, exchange);"
        "create schema desk;"
        "create table desk.notes (exchange text, symbol text, foreign key (symbol, exchange)"
        " references public.instruments (trading_symbol, exchange) on delete cascade);"
        "insert into desk.notes values ('NFO', 'NIFTY26NOV26450PE')"
    )
    build(warehouse, WITHOUT_PE)
    publish(warehouse, request(warehouse))
    assert tokens(warehouse)[514] is False
    assert content(warehouse, "desk.notes") == [("NFO", "NIFTY26NOV26450PE")]


def test_reference_from_a_partitioned_table_keeps_the_row(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "create table ticks (token integer references instruments on delete cascade, day integer)"
        " partition by list (day);"
        "create table ticks_1 partition of ticks for values in (1);"
        "insert into ticks values (514, 1)"
    )
    build(warehouse, WITHOUT_PE)
    publish(warehouse, request(warehouse))
    assert tokens(warehouse)[514] is False
    assert content(warehouse, "ticks") == [(514, 1)]


def test_reference_that_is_being_made_at_this_moment_keeps_the_row(
    warehouse: psycopg.Connection, other: psycopg.Connection
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "create table orders (token integer references instruments on delete cascade)"
    )
    other.execute("insert into orders values (514)")
    build(warehouse, WITHOUT_PE)
    publish(warehouse, request(warehouse))
    other.commit()
    assert tokens(warehouse)[514] is False
    assert content(warehouse, "orders") == [(514,)]


def test_rows_of_another_source_are_left_alone_unless_the_dump_holds_their_token(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "insert into instruments (instrument_token, trading_symbol, exchange, is_active, source,"
        " security_id) values (9, 'DHAN9', 'NSE', true, 'dhan', 's9');"
        "delete from instruments where instrument_token = 514;"
        "insert into instruments (instrument_token, trading_symbol, exchange, source, security_id)"
        " values (514, 'DHAN514', 'NSE', 'dhan', 's514')"
    )
    theirs = warehouse.execute("select ctid::text, i.* from instruments as i where source = 'dhan'"
        " and instrument_token = 9").fetchone()  # fmt: skip
    build(warehouse)
    publish(warehouse, request(warehouse))
    assert warehouse.execute("select ctid::text, i.* from instruments as i where source = 'dhan'"
        ).fetchall() == [theirs]  # fmt: skip
    assert warehouse.execute(
        "select trading_symbol, source, security_id from instruments where instrument_token = 514"
    ).fetchone() == (NIFTY_PE.tradingsymbol, "kite", "s514")


def test_row_without_a_source_counts_as_ours(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "insert into instruments (instrument_token, trading_symbol, exchange, source)"
        " values (9, 'GONE', 'NSE', null)"
    )
    build(warehouse)
    publish(warehouse, request(warehouse))
    assert 9 not in tokens(warehouse)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("instrument_token", "text"), ("exchange_token", "smallint"), ("strike", "real"),
        ("strike", "integer"), ("expiry", "timestamp"), ("is_active", "integer"),
        ("lot_size", "text"), ("trading_symbol", "bytea"),
    ],
)  # fmt: skip
def test_column_of_another_type_is_refused_before_anything_changes(
    warehouse: psycopg.Connection, column: str, found: str
) -> None:
    columns = {"instrument_token": "integer", "trading_symbol": "text", "exchange": "text"}
    columns[column] = found
    spelled = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    warehouse.execute(f"create table public.instruments ({spelled})".encode())
    warehouse.execute("insert into instruments select")  # one row, all null
    build(warehouse)
    before = everything(warehouse)
    assert capture_overrides(warehouse) == 0
    with pytest.raises(DestinationRefused, match=rf"public\.instruments\.{column} is {found}"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_wider_columns_take_the_rows(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "create table public.instruments (instrument_token bigint primary key,"
        " trading_symbol varchar(100), exchange varchar, strike numeric, last_updated timestamp,"
        " is_active boolean, lot_size bigint)"
    )
    build(warehouse)
    publish(warehouse, request(warehouse))
    publication = publish(warehouse, request(warehouse))
    assert publication.instruments is not None
    assert publication.instruments.is_empty
    assert len(tokens(warehouse)) == len(ROWS)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("strike numeric(12,1)", r"strike numeric\(12,1\) cannot hold .* 1 would be rounded"),
        ("strike numeric(5,2)", r"strike numeric\(5,2\) cannot hold .* overflow"),
        ("name varchar(10)", r"name character varying\(10\) cannot hold .* rounded or cut"),
    ],
)
def test_value_that_would_be_rounded_or_cut_is_refused_aloud(
    warehouse: psycopg.Connection, definition: str, message: str
) -> None:
    warehouse.execute(
        "create table public.instruments (instrument_token integer primary key,"
        f" trading_symbol text not null, exchange text not null, {definition})".encode()
    )
    build(warehouse)
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match=message):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_token_beyond_int32_is_refused_not_wrapped(warehouse: psycopg.Connection) -> None:
    wide = "alter table candidate.broker_instruments alter column instrument_token type bigint;"
    warehouse.execute("create table public.instruments (instrument_token integer primary key,"
                      " trading_symbol text not null, exchange text not null)")  # fmt: skip
    build(warehouse, alter=wide)
    warehouse.execute(
        "update candidate.broker_instruments set instrument_token = 2147483648"
        " where instrument_token = 1026"
    )
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match="instrument_token integer cannot hold"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_strike_that_the_view_does_not_round_is_refused_by_the_table(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, [replace(GAIL_CE, strike=Decimal("95.875")), *ROWS[:3]])
    warehouse.execute("drop view candidate.exp_json__token_lookup;")
    definition = warehouse.execute(
        "select pg_get_viewdef('candidate.exp_postgres__instruments'::regclass)"
    ).fetchone()
    assert definition is not None
    unrounded = definition[0].replace("(b.strike)::numeric(12,2)", "b.strike")
    warehouse.execute("drop view candidate.exp_postgres__instruments")
    warehouse.execute(f"create view candidate.exp_postgres__instruments as {unrounded}".encode())
    warehouse.execute("create view candidate.exp_json__token_lookup as select e.instrument_token,"
        " e.exchange || ':' || e.trading_symbol as key"
        " from candidate.exp_postgres__instruments as e")  # fmt: skip
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match="1 would be rounded or cut"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


@pytest.mark.parametrize("kind", ["view", "materialized view"])
def test_something_else_of_that_name_is_refused(warehouse: psycopg.Connection, kind: str) -> None:
    warehouse.execute(f"create {kind} public.instruments as select 1 as instrument_token".encode())
    build(warehouse)
    with pytest.raises(DestinationRefused, match=r"public\.instruments"):
        publish(warehouse, request(warehouse))


def test_missing_primary_key_is_worked_around(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "create table public.instruments (id serial primary key, instrument_token integer,"
        " trading_symbol text not null, exchange text not null);"
        "insert into instruments (instrument_token, trading_symbol, exchange)"
        " values (512, 'OLD', 'NFO'), (null, 'NOTHING', 'NFO')"
    )
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse, WITHOUT_PE)
    publish(warehouse, request(warehouse))
    found = warehouse.execute("select id, instrument_token, trading_symbol from instruments"
                              " where id < 3 order by id").fetchall()  # fmt: skip
    assert found == [(1, 512, NIFTY_CE.tradingsymbol), (2, None, "NOTHING")]
    assert len(tokens(warehouse)) == len(WITHOUT_PE) + 1


def test_repeated_tokens_without_a_primary_key_are_refused(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "create table public.instruments (instrument_token integer, trading_symbol text,"
        " exchange text);"
        "insert into instruments values (512, 'A', 'NFO'), (512, 'B', 'NFO')"
    )
    build(warehouse)
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match=r"repeats 512 \(2 times\)"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_constraint_of_others_that_forbids_a_row_is_refused_by_name(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("alter table instruments add constraint few_lots check (lot_size < 5000)")
    build(warehouse, [replace(GAIL_CE, lot_size=6000), *ROWS[:3]])
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match="few_lots"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_symbol_that_passes_between_tokens_passes_a_unique_index_of_others(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("create unique index by_symbol on instruments (exchange, trading_symbol)")
    exchanged = (
        replace(NIFTY_CE, tradingsymbol=NIFTY_PE.tradingsymbol),
        replace(NIFTY_PE, tradingsymbol=GAIL_CE.tradingsymbol),
        replace(GAIL_CE, tradingsymbol=NIFTY_CE.tradingsymbol),
    )
    build(warehouse, exchanged)
    publish(warehouse, request(warehouse))
    found = dict(warehouse.execute("select instrument_token, trading_symbol from instruments"))
    assert found == {row.instrument_token: row.tradingsymbol for row in exchanged}
    build(warehouse, [*exchanged, replace(NIFTY_CE, instrument_token=9, strike=Decimal(1),
        tradingsymbol=GAIL_CE.tradingsymbol)])  # fmt: skip
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match="by_symbol"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_trigger_of_others_that_raises_is_told(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "create function forbid() returns trigger language plpgsql as"
        " $$ begin raise exception 'lots are frozen until Friday'; end $$;"
        "create trigger forbid before update on instruments"
        " for each row execute function forbid()"
    )
    build(warehouse, [replace(GAIL_CE, lot_size=1), *ROWS[:3]])
    with pytest.raises(DestinationRefused, match="lots are frozen until Friday"):
        publish(warehouse, request(warehouse))


def test_triggers_of_others_run_as_they_do_for_everybody(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    # It names its table without a schema, so it depends on the session's search path.
    warehouse.execute(
        "create table audit_log (operation text, token integer);"
        "create function audit() returns trigger language plpgsql as 'begin"
        " insert into audit_log values (tg_op, coalesce(new.instrument_token,"
        " old.instrument_token)); return coalesce(new, old); end';"
        "create trigger audit before insert or update or delete on instruments"
        " for each row execute function audit()"
    )
    build(
        warehouse, [replace(GAIL_CE, lot_size=1), replace(RELIANCE, instrument_token=77), *ROWS[:1]]
    )
    publish(warehouse, request(warehouse))
    logged = content(warehouse, "audit_log")
    assert {("INSERT", 77), ("UPDATE", 1026), ("DELETE", 514)} <= set(logged)


def test_rule_that_keeps_departed_rows_is_tolerated(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("create rule keep as on delete to instruments do instead nothing")
    build(warehouse, WITHOUT_PE)
    publish(warehouse, request(warehouse))
    assert tokens(warehouse)[514] is False


def test_trigger_that_refuses_our_rows_stops_the_publication(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute(
        "create function swallow() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger swallow before insert on instruments for each row"
        " execute function swallow()"
    )
    before = everything(warehouse)
    build(warehouse, [*ROWS, replace(RELIANCE, instrument_token=77, tradingsymbol="X")])
    with pytest.raises(VerificationError, match=r"public\.instruments differs in 1 rows .*77"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_null_is_active_counts_as_inactive_and_is_no_difference(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("update instruments set is_active = null where instrument_token = 1026")
    build(warehouse)
    publication = publish(warehouse, request(warehouse))
    assert publication.instruments is not None
    assert publication.instruments.is_empty
