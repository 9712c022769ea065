"""The monitor beside a real warehouse: in step after a sync, and mended by a real export."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from instrument_registry.sources import snapshot
from loader.sample import sample_chunks
from tests.conftest import _with_database
from tests.installation import Done, Installation

AS_OF = date(2026, 8, 17)
ROWS = 8_000


@pytest.fixture(scope="module")
def warehouse(
    tmp_path_factory: pytest.TempPathFactory, server_dsn: str, redis_server_url: str
) -> Iterator[Installation]:
    """A small sample, published once by `warehouse sync`."""
    folder = tmp_path_factory.mktemp("monitored")
    name = f"monitored_{uuid.uuid4().hex[:8]}"
    at = Installation(folder / "it", _with_database(server_dsn, name), redis_server_url)
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    dump = folder / "dump.csv"
    dump.write_bytes(b"".join(sample_chunks(rows=ROWS, as_of=AS_OF)))
    at.env_file.parent.mkdir(parents=True)
    at.sync(dump, "--quiet").ok()
    yield at
    at.close()
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )


@pytest.fixture
def mended(warehouse: Installation) -> Installation:
    """The warehouse as its last publication is, with a snapshot beside it."""
    warehouse.run("export", "--quiet").ok()
    snapshot.write_published(warehouse.database_url, warehouse.home / "registry.snapshot")
    return warehouse


def monitor(at: Installation, *arguments: str, **extra: str) -> Done:
    program = [sys.executable, "-m", "instrument_registry.registry_sync_monitor"]
    return at.start_program([*program, *arguments], **extra).done()


def test_what_the_exporters_write_is_in_step_to_the_byte_of_every_holder(
    mended: Installation,
) -> None:
    found = monitor(mended, "--check", "--json").ok().document["status"]
    assert found["verdict"] == "in_step"
    assert {name: (one["expected"], one["held"]) for name, one in found["holders"].items()} == {
        "focus_registry": (258, 258), "published_table": (258, 258), "focus_file": (258, 258),
        "token_lookup": (258, 258), "registry_snapshot": (258, 258),
    }  # fmt: skip


def test_sync_mends_damaged_files_by_a_real_export(mended: Installation) -> None:
    focus, lookup = (
        mended.files / name for name in ("focus_instruments.json", "token_lookup_enriched.json")
    )
    whole, entries = focus.read_bytes(), json.loads(lookup.read_text())
    focus.write_bytes(whole[: len(whole) // 2])
    token = next(one for one, told in entries.items() if told["tradingsymbol"] == "NIFTY26AUGFUT")
    lookup.write_text(json.dumps(entries | {token: entries[token] | {"lot_size": 1}}))
    before = monitor(mended, "--check", "--json")
    assert before.code == 1
    holders = before.document["status"]["holders"]
    assert holders["focus_file"]["state"] == "unreadable"
    assert holders["token_lookup"]["stale"] == 1
    done = monitor(mended, "--sync", "--json").ok().document["sync"]
    assert done["success"] is True
    assert done["sync"]["destinations"]["focus_instruments"] == "complete"
    assert done["after"]["verdict"] == "in_step"
    assert focus.read_bytes() == whole
    assert json.loads(lookup.read_text()) == entries
    last = monitor(mended, "--history", "2", "--json").ok().document["history"]
    assert [(one["kind"], one["verdict"]) for one in last] == [
        ("sync", "in_step"), ("check", "trouble"),
    ]  # fmt: skip


def test_a_file_that_was_deleted_is_written_again(mended: Installation) -> None:
    (mended.files / "focus_instruments.json").unlink()
    done = monitor(mended, "--sync").ok()
    assert "Mending took" in done.out
    assert "Registry check: in step" in done.out
    assert (mended.files / "focus_instruments.json").exists()


def test_a_damaged_table_is_not_spread_and_the_export_says_what_to_do(
    mended: Installation,
) -> None:
    kept = mended.execute("select * from marts.focus_instruments where underlying = 'SENSEX'")
    mended.execute("delete from marts.focus_instruments where underlying = 'SENSEX'")
    whole = (mended.files / "focus_instruments.json").read_bytes()
    try:
        done = monitor(mended, "--sync", "--json")
        assert done.code == 1
        said = done.document["sync"]
        assert said["sync"]["exit_code"] == 5
        assert "so that the damage does not spread" in said["sync"]["told"]
        assert said["after"]["holders"]["published_table"]["missing"] == 86
        assert (mended.files / "focus_instruments.json").read_bytes() == whole
    finally:
        with mended.connect() as connection, connection.cursor() as cursor:
            marks = ", ".join(["%s"] * len(kept[0]))
            cursor.executemany(f"insert into marts.focus_instruments values ({marks})", kept)


def test_two_syncs_at_once_both_end_and_all_is_in_step(mended: Installation) -> None:
    (mended.files / "focus_instruments.json").unlink()
    program = [sys.executable, "-m", "instrument_registry.registry_sync_monitor", "--sync"]
    running = [mended.start_program(program) for _ in range(2)]
    # One may find the other's export under way, or nothing left to mend.
    assert all(one.done().code in {0, 1} for one in running)
    monitor(mended, "--check").ok()


def test_a_monitor_that_knows_no_database_compares_with_the_snapshot(
    mended: Installation, tmp_path: Path
) -> None:
    holders = ("focus_registry", "focus_file", "token_lookup", "registry_snapshot")
    options = [part for name in holders for part in ("--holder", name)]
    done = monitor(
        mended, "--check", "--json", *options, DATABASE_URL="", REDIS_URL="",
        REGISTRY_MAX_AGE_HOURS="unlimited",
    )  # fmt: skip
    found = done.ok().document["status"]
    assert found["publication"]["source"] == "snapshot"
    assert found["verdict"] == "in_step"
