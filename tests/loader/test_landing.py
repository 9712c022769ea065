"""Landing is all or nothing, leaves its trace in the ledger, and holds what the broker wrote."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from loader import landing as landing_module
from loader.errors import DumpRefused, LandingFailed
from loader.feeds import KITE
from loader.fetch import Dump
from loader.landing import Load, ensure_schema, land
from loader.ledger import last_validator
from tests.loader.broker import AS_OF, DUMP, HEADER, NOW, ROW, Broker, gzipped

Get = Callable[..., Dump]
Put = Callable[..., Load]
LEDGER = """
    select load_id, feed, source, sha256, bytes, rows, as_of_date, landing_path, started_at,
        finished_at, status, error
    from ops.loads order by load_id
"""


@pytest.fixture
def dump_of(get: Get, tmp_path: Path) -> Callable[..., Dump]:
    def dump_of(data: bytes = DUMP, name: str = "dump.csv", **more: object) -> Dump:
        (tmp_path / name).write_bytes(data)
        return get(tmp_path / name, **more)

    return dump_of


DumpOf = Callable[..., Dump]


def many(rows: int) -> bytes:
    line = "{token},1,SYM{token},NAME,0,,0,0.05,1,EQ,NSE,NSE\n"
    return (HEADER + "\n" + "".join(line.format(token=i) for i in range(rows))).encode()


def query(database: psycopg.Connection, text: str) -> list[tuple[Any, ...]]:
    rows = database.execute(text).fetchall()
    database.commit()
    return rows


def staged(database: psycopg.Connection) -> list[tuple[Any, ...]]:
    return query(database, "select * from staging.kite_instruments order by _line_number")


def test_rows_land_as_the_broker_wrote_them(
    dump_of: DumpOf, put: Put, database: psycopg.Connection
) -> None:
    load = put(dump_of())
    wanted = list(csv.reader(io.StringIO(DUMP.decode())))[1:]
    assert staged(database) == [
        (load.load_id, line, *fields) for line, fields in enumerate(wanted, start=2)
    ]
    assert (load.rows, load.extra_columns, load.warnings) == (2, (), ())


def test_the_staging_table_is_as_agreed(
    dump_of: DumpOf, put: Put, database: psycopg.Connection
) -> None:
    put(dump_of(f"isin,{HEADER}\nX,{ROW}\n".encode()))
    columns = query(
        database,
        "select column_name, data_type, is_nullable from information_schema.columns"
        " where table_schema = 'staging' and table_name = 'kite_instruments'"
        " order by ordinal_position",
    )
    assert columns == [
        ("_load_id", "bigint", "NO"),
        ("_line_number", "bigint", "NO"),
        *((column, "text", "NO") for column in (*KITE.columns, "isin")),
    ]
    assert query(
        database,
        "select relpersistence, reltuples::int, relhasindex from pg_class"
        " where oid = 'staging.kite_instruments'::regclass",
    ) == [("u", 1, False)]


def test_the_ledger_tells_a_landing(
    dump_of: DumpOf, put: Put, database: psycopg.Connection
) -> None:
    dump = dump_of()
    later = NOW + timedelta(seconds=3)
    load = put(dump, now=lambda: later)
    assert query(database, LEDGER) == [
        (
            load.load_id, "kite", dump.source, dump.sha256, len(DUMP), 2, AS_OF, str(dump.path),
            NOW, later, "landed", None,
        )
    ]  # fmt: skip


def test_a_landing_replaces_the_one_before(
    dump_of: DumpOf, put: Put, database: psycopg.Connection
) -> None:
    first = put(dump_of(f"{HEADER},isin\n{ROW},X\n".encode()))
    second = put(dump_of())
    assert second.load_id > first.load_id
    assert {row[0] for row in staged(database)} == {second.load_id}
    assert len(staged(database)[0]) == 14


def test_a_refused_dump_leaves_the_landed_one(
    dump_of: DumpOf, put: Put, database: psycopg.Connection
) -> None:
    put(dump_of())
    before = staged(database)
    bad = many(30_000) + b"1,2,3\n"
    with pytest.raises(DumpRefused, match="line 30002 has 3 fields"):
        put(dump_of(bad, "bad.csv"))
    assert database.info.transaction_status is TransactionStatus.IDLE
    assert staged(database) == before
    *_, last = query(database, "select status, rows, error, finished_at from ops.loads")
    assert last[:2] == ("refused", None)
    assert "bad.csv: line 30002 has 3 fields; expected 12 fields" in last[2]
    assert last[3] == NOW


def test_a_landing_that_is_interrupted_leaves_the_landed_one(
    dump_of: DumpOf, put: Put, database: psycopg.Connection
) -> None:
    put(dump_of())
    before = staged(database)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(dump_of(many(10)), on_progress=interrupt)
    assert staged(database) == before
    assert query(database, LEDGER)[-1][-2:] == (
        "failed",
        "the landing was ended by KeyboardInterrupt",
    )


def test_others_see_that_a_landing_has_started_and_the_old_rows(
    dump_of: DumpOf, put: Put, database: psycopg.Connection, postgres_dsn: str
) -> None:
    put(dump_of())
    seen = []
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        put(
            dump_of(many(10)),
            on_progress=lambda *_: seen.append(
                other.execute("select status from ops.loads order by load_id").fetchall()
            ),
        )
    assert seen == [[("landed",), ("started",)]]


def test_postgres_gone_in_the_middle_leaves_a_started_row_and_the_old_rows(
    dump_of: DumpOf, put: Put, database: psycopg.Connection, postgres_dsn: str
) -> None:
    put(dump_of())
    before = staged(database)
    with psycopg.connect(postgres_dsn, autocommit=True) as other:

        def kill(*_: object) -> None:
            other.execute("select pg_terminate_backend(%s)", (database.info.backend_pid,))

        with pytest.raises(LandingFailed, match="PostgreSQL could not land the Kite dump"):
            put(dump_of(many(100_000)), on_progress=kill)
    with psycopg.connect(postgres_dsn) as other:
        assert staged(other) == before
        assert [row[-2] for row in query(other, LEDGER)] == ["landed", "started"]
        load = land(other, dump_of(), KITE, as_of=AS_OF, started_at=NOW, now=lambda: NOW)
        assert (load.load_id, len(staged(other))) == (3, 2)


def test_a_cancelled_landing_is_a_failed_one(
    dump_of: DumpOf, put: Put, database: psycopg.Connection, postgres_dsn: str
) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as other:

        def cancel(*_: object) -> None:
            other.execute("select pg_cancel_backend(%s)", (database.info.backend_pid,))

        with pytest.raises(LandingFailed) as failure:
            put(dump_of(many(100_000)), on_progress=cancel)
    assert failure.value.exit_code == 3
    assert query(database, LEDGER)[-1][-2:] == ("failed", str(failure.value))


def test_a_killed_process_leaves_a_started_row_and_the_old_rows(
    dump_of: DumpOf, put: Put, database: psycopg.Connection, postgres_dsn: str, project: Path
) -> None:
    put(dump_of())
    before = staged(database)
    dump = dump_of(many(50_000), "new.csv")
    program = f"""
import os, signal, psycopg
from datetime import UTC, date, datetime
from pathlib import Path
from loader.feeds import KITE
from loader.fetch import Dump
from loader.landing import land
dump = Dump("kite", Path({str(dump.path)!r}), "new.csv", {dump.sha256!r}, {dump.size})
now = lambda: datetime.now(UTC)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
day = date(2026, 8, 17)
with psycopg.connect({postgres_dsn!r}) as connection:
    land(connection, dump, KITE, as_of=day, started_at=now(), now=now, on_progress=die)
"""
    died = subprocess.run([sys.executable, "-c", program], cwd=project, check=False)
    assert died.returncode == -signal.SIGKILL
    assert [row[-2] for row in query(database, LEDGER)] == ["landed", "started"]
    assert staged(database) == before
    assert put(dump).rows == 50_000


def test_a_reader_that_will_not_let_go_fails_the_landing_instead_of_hanging_it(
    dump_of: DumpOf, put: Put, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(dump_of())
    monkeypatch.setattr(landing_module, "LOCK_TIMEOUT", "50ms")
    with psycopg.connect(postgres_dsn) as reader:
        assert len(reader.execute("select * from staging.kite_instruments").fetchall()) == 2
        with pytest.raises(LandingFailed, match=r"staging\.kite_instruments is held by another"):
            put(dump_of(many(10)))
    assert put(dump_of(many(10))).rows == 10


def test_a_view_on_staging_is_not_dropped_behind_its_owners_back(
    dump_of: DumpOf, put: Put, database: psycopg.Connection
) -> None:
    put(dump_of())
    database.execute("create view mine as select name from staging.kite_instruments")
    database.commit()
    with pytest.raises(LandingFailed, match=r"cannot drop table .*kite_instruments because other"):
        put(dump_of(many(10)))
    assert len(query(database, "select * from mine")) == 2


def test_two_landings_at_once_take_turns(
    dump_of: DumpOf, database: psycopg.Connection, postgres_dsn: str
) -> None:
    dumps = [dump_of(many(20_000 + i), f"{i}.csv") for i in range(3)]
    failures: list[BaseException] = []

    def work(dump: Dump) -> None:
        try:
            with psycopg.connect(postgres_dsn) as own:
                land(own, dump, KITE, as_of=AS_OF, started_at=NOW, now=lambda: NOW)
        except BaseException as error:  # noqa: BLE001  # reported below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(dump,)) for dump in dumps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {row[-2] for row in query(database, LEDGER)} == {"landed"}
    ((load_id, rows),) = query(
        database, "select _load_id, count(*) from staging.kite_instruments group by _load_id"
    )
    assert query(database, f"select rows from ops.loads where load_id = {load_id}") == [(rows,)]


def test_an_open_transaction_of_the_caller_is_not_committed_for_him(
    dump_of: DumpOf, put: Put, database: psycopg.Connection
) -> None:
    database.execute("select 1")
    with pytest.raises(ValueError, match="no transaction open"):
        put(dump_of())


def test_any_kind_of_connection_will_do(
    dump_of: DumpOf, database: psycopg.Connection, postgres_dsn: str
) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True, row_factory=dict_row) as own:
        ensure_schema(own)
        load = land(own, dump_of(), KITE, as_of=AS_OF, started_at=NOW, now=lambda: NOW)
        assert last_validator(own, "kite", "nowhere") is None
    assert len(staged(database)) == load.rows == 2


def test_the_schema_may_be_ensured_again(database: psycopg.Connection) -> None:
    ensure_schema(database)
    assert query(database, LEDGER) == []


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_an_archived_file_that_changed_since_is_not_landed(
    dump_of: DumpOf, put: Put, database: psycopg.Connection, damage: str
) -> None:
    put(dump_of())
    before = staged(database)
    dump, other = dump_of(many(10)), dump_of(many(11), "other.csv")
    if damage == "gone":
        dump.path.unlink()
    elif damage == "cut":
        dump.path.write_bytes(dump.path.read_bytes()[:-4])
    else:
        dump.path.write_bytes(other.path.read_bytes())
    with pytest.raises(LandingFailed, match="the archived dump"):
        put(dump)
    assert staged(database) == before
    assert query(database, LEDGER)[-1][-2] == "failed"


def test_progress_ends_at_the_size_of_the_dump(dump_of: DumpOf, put: Put) -> None:
    data = many(20_000).replace(b"NAME", b'"A, B"', 700)
    seen: list[tuple[int, int | None]] = []
    put(dump_of(data), on_progress=lambda done, total: seen.append((done, total)))
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1] == (len(data), len(data))


def test_the_next_fetch_knows_what_the_server_said(
    broker: Broker, get: Get, put: Put, database: psycopg.Connection
) -> None:
    dump = get(broker.answer(gzipped(ETag='"v1"', Last_Modified="yesterday")))
    put(dump)
    put(get(broker.answer(gzipped(DUMP + ROW.encode())), as_of=date(2026, 8, 18)))
    assert last_validator(database, "kite", broker.url) is None, "the newest load had none"
    put(dump)
    validator = last_validator(database, "kite", broker.url)
    assert validator
    assert validator.conditions == {"If-None-Match": '"v1"', "If-Modified-Since": "yesterday"}
    assert (validator.path, validator.sha256) == (dump.path, dump.sha256)
    assert last_validator(database, "kite", "https://other.example/") is None


fields = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(fields, min_size=12, max_size=12), min_size=1, max_size=6))
def test_any_text_survives_the_copy(
    dump_of: DumpOf, put: Put, database: psycopg.Connection, rows: list[list[str]]
) -> None:
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    put(dump_of("\n".join([HEADER, *lines, ""]).encode()))
    assert [list(row[2:]) for row in staged(database)] == rows


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(
    dump_of: DumpOf, put: Put
) -> None:
    data = f"{HEADER}\n{ROW}\n".encode() + b"x" * (5 << 20) + b"\n"
    with pytest.raises(DumpRefused, match="a line of the dump is longer than 4,194,304 bytes"):
        put(dump_of(data))


def test_peak_memory_does_not_grow_with_the_dump(dump_of: DumpOf, put: Put) -> None:
    import tracemalloc

    peaks = []
    for rows in (20_000, 120_000):
        dump = dump_of(many(rows))
        tracemalloc.start()
        put(dump)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3
    assert peaks[1] < 16 << 20, os.fspath(dump.path)
