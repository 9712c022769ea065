"""A published table follows the candidate's shape, and what others hang on it survives."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from exporters.errors import DestinationRefused, DestinationUnavailable
from exporters.postgres import PublicationOutOfReach, publish, rollback_to
from exporters.postgres.column_types import is_lossless
from exporters.postgres.views import requalified
from tests.exporters.postgres.candidate_builder import (
    BANKNIFTY_CE,
    DAY_1,
    GAIL_CE,
    NIFTY_CE,
    RELIANCE,
    ROWS,
    TABLES,
    Row,
    build,
    content,
    everything,
    request,
)

TYPE_OF = (
    "select format_type(atttypid, atttypmod) from pg_attribute"
    " where attrelid = %s::regclass and attname = %s"
)


def assert_published(connection: psycopg.Connection) -> None:
    """Every relation holds the candidate's rows, whatever the order of its columns."""
    for name in TABLES:
        rows = "select to_jsonb(r) from {}.{} as r order by r::text"
        published = connection.execute(rows.format("marts", name).encode()).fetchall()
        candidate = connection.execute(rows.format("candidate", name).encode()).fetchall()
        assert sorted(map(repr, published)) == sorted(map(repr, candidate))


def test_new_column_is_added_filled_and_constrained(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    fill = (
        "alter table candidate.instruments add column kind text not null default 'option'"
        " check (kind <> ''), add column isin text;"
        "comment on column candidate.instruments.kind is 'What is traded.';"
    )
    build(warehouse, alter=fill)
    publication = publish(warehouse, request(warehouse))
    assert publication.migrations == (
        "marts.instruments: add column kind text",
        "marts.instruments: add column isin text",
        "marts.instruments: set not null on kind",
        "marts.instruments: add CHECK ((kind <> ''::text))",
    )
    assert publication.tables["instruments"].changed == len(ROWS)
    assert_published(warehouse)
    with pytest.raises(psycopg.errors.NotNullViolation):
        warehouse.execute("update marts.instruments set kind = null")
    with pytest.raises(psycopg.errors.CheckViolation):
        warehouse.execute("update marts.instruments set kind = ''")
    assert warehouse.execute(
        "select col_description('marts.instruments'::regclass, 4)"
    ).fetchone() == ("What is traded.",)
    build(warehouse, alter=fill)
    assert publish(warehouse, request(warehouse)).migrations == ()


def test_columns_in_another_order_are_no_difference(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(
        warehouse,
        alter="alter table candidate.instruments drop column tradingsymbol;"
        "alter table candidate.instruments add column tradingsymbol text not null;",
    )
    publication = publish(warehouse, request(warehouse))
    assert publication.migrations == ()
    assert publication.tables["instruments"].is_empty


def test_constraints_that_went_are_dropped(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    loose = (
        "alter table candidate.broker_instruments alter column tradingsymbol drop not null,"
        " drop constraint broker_instruments_instrument_type_check;"
    )
    build(warehouse, [replace(GAIL_CE, instrument_type="XX")], alter=loose)
    publication = publish(warehouse, request(warehouse))
    assert len(publication.migrations) == 2
    assert_published(warehouse)


@pytest.mark.parametrize("order", ["not null first", "nulls first"])
def test_not_null_comes_and_goes(warehouse: psycopg.Connection, order: str) -> None:
    loose = "alter table candidate.instruments alter column tradingsymbol drop not null;"
    build(warehouse, alter=loose if order == "nulls first" else "")
    publish(warehouse, request(warehouse))
    build(warehouse, alter="" if order == "nulls first" else loose)
    publication = publish(warehouse, request(warehouse))
    action = "set" if order == "nulls first" else "drop"
    assert publication.migrations == (f"marts.instruments: {action} not null on tradingsymbol",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("drop column lot_size", r"marts\.instruments has column lot_size integer, which"),
        ("alter column lot_size type smallint", r"lot_size is integer, .* is smallint"),
        ("alter column lot_size type text", r"lot_size is integer, .* is text"),
        ("alter column tradingsymbol type varchar(30)", r"is text, .* is character varying\(30\)"),
        ("drop constraint instruments_pkey, add primary key (canonical_id, lot_size)",
         r"primary key of marts\.instruments is \('canonical_id',\)"),
    ],
)  # fmt: skip
def test_change_that_others_must_agree_to_is_refused_before_anything_changes(
    warehouse: psycopg.Connection, change: str, message: str
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    alter = f"alter table candidate.instruments {change};"
    if "drop column" in change:
        alter += "alter table candidate.instruments add column lot_size_new integer;"
    warehouse.execute("drop schema candidate cascade")
    build(warehouse)
    warehouse.execute(alter.encode())
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match=message) as caught:
        publish(warehouse, request(warehouse))
    assert caught.value.remedy
    assert everything(warehouse) == before


def test_table_that_became_a_view_is_refused(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse)
    warehouse.execute("drop table candidate.rejected_rows")
    warehouse.execute("create view candidate.rejected_rows as select 1 as feed")
    with pytest.raises(DestinationRefused, match=r"is a view, marts\.rejected_rows a table"):
        publish(warehouse, request(warehouse))


def test_lossless_widening_is_applied_under_our_own_views(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("create role analyst")
    try:
        warehouse.execute(
            "grant select on marts.exp_postgres__instruments to analyst with grant option;"
            "grant select on marts.exp_json__token_lookup to public"
        )
        build(
            warehouse,
            alter="alter table candidate.broker_instruments alter column lot_size type bigint,"
            " alter column strike type numeric(20,6);"
            "alter table candidate.instruments alter column lot_size type bigint;",
        )
        # The models of a candidate may read what is published, through views that each build makes.
        warehouse.execute(
            "create view candidate.stg_published as select lot_size from marts.instruments;"
            "create view candidate.int_published as select lot_size from candidate.stg_published"
        )
        publication = publish(warehouse, request(warehouse))
        assert "marts.instruments: widen lot_size from integer to bigint" in publication.migrations
        assert warehouse.execute(TYPE_OF, ["marts.broker_instruments", "strike"]).fetchone() == (
            "numeric(20,6)",
        )
        assert_published(warehouse)
        rights = warehouse.execute(
            "select has_table_privilege('analyst', 'marts.exp_postgres__instruments',"
            " 'select with grant option'),"
            " has_table_privilege('analyst', 'marts.exp_json__token_lookup', 'select')"
        ).fetchone()
        assert rights == (True, True)
    finally:
        warehouse.execute("drop owned by analyst; drop role analyst")


def test_widening_under_somebody_elses_view_is_refused_by_name(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("create view public.lots as select lot_size from marts.instruments")
    build(warehouse, alter="alter table candidate.instruments alter column lot_size type bigint;")
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match="view lots"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_views_foreign_keys_grants_and_indexes_of_others_survive(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("create role analyst")
    try:
        warehouse.execute(
            "create view public.lots as select canonical_id, lot_size from marts.instruments;"
            "create view public.keys as select key from marts.exp_json__token_lookup;"
            "create table public.notes (canonical_id text references marts.instruments);"
            "create index by_lot on marts.instruments (lot_size);"
            "grant select on marts.instruments to analyst"
        )
        warehouse.execute("insert into notes values (%s)", [BANKNIFTY_CE.canonical_id])
        build(
            warehouse,
            [replace(GAIL_CE, lot_size=1), BANKNIFTY_CE],
            alter="alter table candidate.instruments add column isin text;",
        )
        publish(warehouse, request(warehouse))
        assert content(warehouse, "public.lots") == [
            (BANKNIFTY_CE.canonical_id, 35), (GAIL_CE.canonical_id, 1),
        ]  # fmt: skip
        assert len(content(warehouse, "public.keys")) == 2
        assert content(warehouse, "notes") == [(BANKNIFTY_CE.canonical_id,)]
        found = warehouse.execute(
            "select to_regclass('marts.by_lot') is not null,"
            " has_table_privilege('analyst', 'marts.instruments', 'select')"
        ).fetchone()
        assert found == (True, True)
    finally:
        warehouse.execute("drop owned by analyst; drop role analyst")


def test_foreign_key_of_others_that_forbids_a_removal_is_refused_by_name(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("create table notes (canonical_id text references marts.instruments)")
    warehouse.execute("insert into notes values (%s)", [BANKNIFTY_CE.canonical_id])
    build(warehouse, [GAIL_CE])
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match="notes_canonical_id_fkey"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_view_is_replaced_only_when_its_definition_changed(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    version = (
        "select xmin::text from pg_rewrite"
        " where ev_class = 'marts.exp_json__token_lookup'::regclass"
    )
    before = warehouse.execute(version).fetchone()
    build(warehouse)
    assert publish(warehouse, request(warehouse)).migrations == ()
    assert warehouse.execute(version).fetchone() == before
    warehouse.execute(
        "create or replace view candidate.exp_json__token_lookup as"
        " select e.instrument_token, e.exchange || '|' || e.trading_symbol as key"
        " from candidate.exp_postgres__instruments as e"
    )
    publication = publish(warehouse, request(warehouse))
    assert publication.migrations == ("marts.exp_json__token_lookup: new definition",)
    assert_published(warehouse)


def test_view_that_loses_a_column_is_made_anew_with_its_grants(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("grant select on marts.exp_json__token_lookup to public")
    build(warehouse)
    warehouse.execute(
        "drop view candidate.exp_json__token_lookup;"
        "create view candidate.exp_json__token_lookup as"
        " select e.instrument_token from candidate.exp_postgres__instruments as e"
    )
    publish(warehouse, request(warehouse))
    assert_published(warehouse)
    acl = warehouse.execute(
        "select relacl::text from pg_class where oid = 'marts.exp_json__token_lookup'::regclass"
    ).fetchone()
    assert acl is not None
    assert "=r/" in acl[0]


def test_view_that_loses_a_column_under_somebody_elses_view_is_refused(
    warehouse: psycopg.Connection,
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    warehouse.execute("create view public.keys as select key from marts.exp_json__token_lookup")
    build(warehouse)
    warehouse.execute(
        "drop view candidate.exp_json__token_lookup;"
        "create view candidate.exp_json__token_lookup as"
        " select e.instrument_token from candidate.exp_postgres__instruments as e"
    )
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match="view keys depends on view marts"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before


def test_view_over_what_is_not_published_is_refused(warehouse: psycopg.Connection) -> None:
    build(warehouse)
    warehouse.execute(
        "create table candidate.scratch as select 1 as one;"
        "create view candidate.leaning as select one from candidate.scratch"
    )
    with pytest.raises(DestinationRefused, match=r"reads candidate\.scratch, which"):
        publish(warehouse, request(tables=(*TABLES, "leaning")))


def test_migration_gives_up_soon_when_a_reader_holds_the_table(
    warehouse: psycopg.Connection, other: psycopg.Connection
) -> None:
    build(warehouse)
    publish(warehouse, request(warehouse))
    other.execute("set application_name = 'a long report'")
    other.execute("select count(*) from marts.instruments")
    build(warehouse, alter="alter table candidate.instruments add column isin text;")
    before = everything(warehouse)
    with pytest.raises(DestinationUnavailable, match=r"held by pid .*a long report"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before
    other.commit()
    publish(warehouse, request(warehouse))
    assert_published(warehouse)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("integer", "bigint", True), ("bigint", "integer", False), ("smallint", "integer", True),
        ("text", "character varying", True), ("character varying(5)", "text", True),
        ("character varying(5)", "character varying(9)", True),
        ("text", "character varying(9)", False),
        ("numeric(12,2)", "numeric(18,6)", True), ("numeric(18,6)", "numeric(12,6)", False),
        ("numeric(12,2)", "numeric(12,4)", False), ("numeric(12,2)", "numeric", True),
        ("numeric", "numeric(12,2)", False), ("integer", "numeric(12,2)", True),
        ("integer", "numeric(11,2)", False), ("numeric(5,0)", "integer", False),
        ("date", "text", False), ("date", "date", True), ("jsonb", "text", False),
        ("timestamp(3) with time zone", "timestamp with time zone", False),
    ],
)  # fmt: skip
def test_lossless_exchanges_of_types(old: str, new: str, *, expected: bool) -> None:
    assert is_lossless(old, new) is expected


def test_published_views_read_nothing_of_the_candidate(warehouse: psycopg.Connection) -> None:
    """The next build drops the candidate with all that hangs on it, and is not audited."""
    build(warehouse)
    publish(warehouse, request(warehouse))
    build(warehouse)
    publish(warehouse, request(warehouse))
    reads = warehouse.execute(
        """
        select distinct n.nspname
        from pg_depend as d
        inner join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        inner join pg_class as v on v.oid = r.ev_class
        inner join pg_class as t on d.refclassid = 'pg_class'::regclass and t.oid = d.refobjid
        inner join pg_namespace as n on n.oid = t.relnamespace
        where v.relnamespace = 'marts'::regnamespace and v.relkind = 'v'
        """
    ).fetchall()
    assert reads == [("marts",)]
    shown = "select * from marts.exp_postgres__instruments order by 1"
    before = warehouse.execute(shown).fetchall()
    assert before
    warehouse.execute("drop schema candidate cascade")
    assert warehouse.execute(shown).fetchall() == before


def test_only_names_of_relations_are_moved_to_the_published_schema() -> None:
    definition = """select 'candidate.a', E'it\\'s candidate.b', xcandidate.c, t."candidate.d",
        t."a candidate.b", u.candidate.x
        from candidate.e as t join "candidate"."f g" on candidate.e.h = xcandidate.c"""
    assert requalified(definition, "candidate", "marts") == (
        """select 'candidate.a', E'it\\'s candidate.b', xcandidate.c, t."candidate.d",
        t."a candidate.b", u.candidate.x
        from "marts".e as t join "marts"."f g" on "marts".e.h = xcandidate.c"""
    )


ANOTHER_BROKER = (
    "insert into candidate.broker_instruments (broker, exchange, broker_token, tradingsymbol)"
    " values ('dhan', 'NSE', '2885', 'RELIANCE'), ('dhan', 'NFO', '35001', 'IN CONFLICT')"
)


def publish_kite_only(connection: psycopg.Connection, rows: tuple[Row, ...] = ROWS) -> None:
    build(connection, rows, is_kite_only=True)
    publish(connection, request(connection))


def test_kite_only_publications_take_the_key_of_many_brokers(
    warehouse: psycopg.Connection,
) -> None:
    publish_kite_only(warehouse)
    build(warehouse, ROWS[1:])
    warehouse.execute(ANOTHER_BROKER)
    publication = publish(warehouse, request(warehouse))
    assert publication.migrations == (
        (
            "marts.broker_instruments: change primary key from broker, instrument_token to broker,"
            " exchange, broker_token"
        ),
        "marts.broker_instruments: add column broker_token text",
        "marts.broker_instruments: drop not null on instrument_token",
        "marts.broker_instruments: drop not null on canonical_id",
        "marts.broker_instruments: set not null on broker_token",
        "marts.exp_postgres__instruments: new definition",
    )
    counted = publication.tables["broker_instruments"]
    assert (counted.added, counted.changed, counted.removed) == (2, 0, 1)
    assert_published(warehouse)
    assert publication.rows_total == len(ROWS) - 1
    with pytest.raises(psycopg.errors.UniqueViolation), warehouse.transaction():
        warehouse.execute(
            "update marts.broker_instruments set instrument_token = %s",
            [NIFTY_CE.instrument_token],
        )
    build(warehouse, ROWS[1:])
    warehouse.execute(ANOTHER_BROKER)
    assert publish(warehouse, request(warehouse)).migrations == ()


def test_rollback_over_a_change_of_key_goes_one_publication_back_and_no_further(
    warehouse: psycopg.Connection,
) -> None:
    publish_kite_only(warehouse)
    publish_kite_only(warehouse, (replace(GAIL_CE, lot_size=1), RELIANCE))
    before = content(warehouse, "(select instrument_token, canonical_id, lot_size"
        " from marts.broker_instruments) as held")  # fmt: skip
    build(warehouse)
    warehouse.execute(ANOTHER_BROKER)
    publish(warehouse, request(warehouse))
    with pytest.raises(PublicationOutOfReach, match="publication 2 was forgotten") as caught:
        rollback_to(warehouse, 1, published_at=DAY_1)
    assert "Roll back to 2" in caught.value.remedy
    rollback_to(warehouse, 2, published_at=DAY_1)
    after = content(warehouse, "(select instrument_token, canonical_id, lot_size"
        " from marts.broker_instruments) as held")  # fmt: skip
    assert after == before
    build(warehouse)
    publish(warehouse, request(warehouse))
    assert_published(warehouse)


def test_change_of_key_under_somebody_elses_foreign_key_is_refused_by_name(
    warehouse: psycopg.Connection,
) -> None:
    publish_kite_only(warehouse)
    warehouse.execute(
        "create table public.trades (broker text, token integer,"
        " foreign key (broker, token) references marts.broker_instruments)"
    )
    build(warehouse)
    before = everything(warehouse)
    with pytest.raises(DestinationRefused, match="trades_broker_token_fkey"):
        publish(warehouse, request(warehouse))
    assert everything(warehouse) == before
