"""What was checked is on record: after a restart, of two processes at once."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from instrument_registry import factory, registry_sync_monitor
from instrument_registry.errors import ReportNotWritten
from instrument_registry.registry_sync_monitor import (
    RegistrySyncMonitor,
    get_registry_sync_monitor,
)
from instrument_registry.sync import history as recording
from instrument_registry.sync.history import History, Record, grouped, statistics
from tests.instrument_registry import sync_market
from tests.instrument_registry.sync_market import Site, make_site

NOBODY = "postgresql://me:s3cret@127.0.0.1:1/dw?connect_timeout=2"
AT = datetime(2026, 8, 17, 4, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    factory.forget_registries()
    yield
    factory.forget_registries()


@pytest.fixture
def site(postgres_dsn: str, tmp_path: Path) -> Site:
    return make_site(tmp_path, postgres_dsn)


def damage(site: Site) -> None:
    site.execute("delete from marts.focus_instruments where underlying = 'SENSEX'")


def rows(site: Site) -> list[tuple]:
    return site.execute(
        "select kind, verdict, publication_id, error from ops.registry_checks order by check_id"
    )


def record(verdict: str = "in_step", kind: str = "check", minute: int = 0) -> Record:
    start = AT + timedelta(minutes=minute)
    end = start + timedelta(seconds=2)
    return Record(kind, start, end, 7, verdict, {"a": {"state": verdict}}, None, "here", 1)


# --- kept ---------------------------------------------------------------------------------------


def test_each_check_is_one_row_with_its_verdict_and_counts(site: Site) -> None:
    monitor = site.monitor()
    monitor.check()
    damage(site)
    monitor.check()
    assert [row[:3] for row in rows(site)] == [("check", "in_step", 7), ("check", "trouble", 7)]
    [(holders, started, finished, host, pid)] = site.execute(
        "select holders, started_at, finished_at, host, pid from ops.registry_checks"
        " where verdict = 'trouble'"
    )
    assert holders["published_table"] == {
        "state": "out_of_step", "expected": 258, "held": 172, "missing": 86, "surplus": 0,
        "stale": 0, "outdated": False,
    }  # fmt: skip
    assert holders["focus_file"]["state"] == "in_step"
    assert started <= finished
    assert host
    assert pid > 0


def test_the_history_survives_a_restart(site: Site) -> None:
    site.monitor().check()
    damage(site)
    site.monitor().check()
    # A new process knows nothing but what the database has.
    monitor = site.monitor()
    found = monitor.get_sync_history(20)
    assert [one["verdict"] for one in found] == ["trouble", "in_step"]
    assert monitor.get_sync_history(1) == found[:1]
    counted = monitor.get_sync_statistics()
    assert (counted["total"], counted["successful"], counted["failed"]) == (2, 1, 1)
    assert counted["history"] == "kept"
    assert counted["last_failed_at"] == found[0]["timestamp"]
    assert counted["last_successful_at"] == found[1]["timestamp"]


def test_two_monitors_at_once_keep_every_record(site: Site) -> None:
    """Two real processes, each with three checks; and threads within one."""
    code = (
        "from instrument_registry.registry_sync_monitor import get_registry_sync_monitor as g\n"
        "for _ in range(3): g().check()"
    )
    environment = dict(site.settings().registry.environment)
    environment["PYTHONPATH"] = str(sync_market.PROJECT)
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=site.folder)
        for _ in range(2)
    ]
    monitor = site.monitor("published_table")
    threads = [threading.Thread(target=monitor.check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in running] == [0, 0]
    found = site.execute("select pid, verdict, count(*) from ops.registry_checks group by 1, 2")
    assert sorted(count for _, _, count in found) == [3, 3, 4]
    assert {verdict for _, verdict, _ in found} == {"in_step"}


def test_a_database_that_is_gone_is_said_and_this_process_goes_on(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = site.monitor("token_lookup", DATABASE_URL=NOBODY)
    with caplog.at_level(logging.WARNING, logger="instrument_registry"):
        monitor.check()
    assert "registry_history_not_kept" in caplog.text
    assert "s3cret" not in caplog.text
    assert len(monitor.get_sync_history()) == 1
    counted = monitor.get_sync_statistics()
    assert counted["total"] == 1
    assert "PostgreSQL cannot be read" in counted["history"]
    assert site.monitor(DATABASE_URL=NOBODY).get_sync_history() == []


def test_what_could_not_be_written_is_written_when_the_database_is_back(site: Site) -> None:
    site.execute("alter table ops.registry_checks rename to away")
    history = History(lambda: site.dsn)
    assert "registry_checks" in history.add(record())
    assert "registry_checks" in history.add(record("trouble", minute=1))
    site.execute("alter table ops.away rename to registry_checks")
    assert history.add(record(minute=2)) == ""
    assert [row[1] for row in rows(site)] == ["in_step", "trouble", "in_step"]
    assert history.add(record(minute=3)) == ""
    assert len(rows(site)) == 4


def reader_of(site: Site, role: str) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(site.dsn) | {"user": role}
    return psycopg.conninfo.make_conninfo("", **parts)


def test_a_role_that_may_only_read_checks_and_says_that_it_keeps_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    role = f"only_reads_{abs(hash(site.dsn)) % 10**8}"
    site.execute(f"create role {role} login")
    try:
        site.execute(f"grant usage on schema marts, ops to {role}")
        site.execute(f"grant select on all tables in schema marts, ops to {role}")
        monitor = site.monitor(DATABASE_URL=reader_of(site, role))
        with caplog.at_level(logging.WARNING, logger="instrument_registry"):
            assert monitor.check().verdict == "in_step"
        assert "permission denied for table registry_checks" in caplog.text
        assert rows(site) == []
        # With the right to write nothing but this, it keeps a history.
        site.execute(f"grant insert on ops.registry_checks to {role}")
        monitor.check()
        assert len(rows(site)) == 2
    finally:
        site.execute(f"drop owned by {role}")
        site.execute(f"drop role {role}")


def test_a_locked_history_does_not_hold_up_a_check(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "STATEMENT_SECONDS", 0.1)
    with psycopg.connect(site.dsn) as connection:
        connection.execute("lock table ops.registry_checks in access exclusive mode")
        history = History(lambda: site.dsn)
        assert "statement timeout" in history.add(record())
    assert history.add(record(minute=1)) == ""
    assert len(rows(site)) == 2


def test_instants_are_utc_whatever_the_database_speaks(site: Site) -> None:
    name = psycopg.conninfo.conninfo_to_dict(site.dsn)["dbname"]
    site.execute(f"alter database {name} set timezone to 'Asia/Kolkata'")
    monitor = site.monitor("published_table")
    facts = asyncio.run(monitor.check_sync_status())
    assert facts["publication"]["published_at"] == "2026-08-17T03:05:00+00:00"
    (kept,) = monitor.get_sync_history()
    assert kept["timestamp"] == facts["timestamp"]
    assert monitor.get_sync_statistics()["last_at"] == facts["timestamp"]


def test_the_process_keeps_a_bounded_history() -> None:
    history = History(lambda: None)
    for minute in range(1005):
        history.add(record(minute=minute))
    found, why = history.recent(5000)
    assert len(found) == 1000
    assert found[0].started_at > found[-1].started_at
    assert "there is no database" in why


# --- statistics ---------------------------------------------------------------------------------


def test_statistics_count_checks_and_syncs_apart() -> None:
    counted = statistics(
        grouped([
            record(), record("trouble", minute=1), record("no_source", minute=2),
            record(kind="sync", minute=3),
        ])
    )  # fmt: skip
    assert (counted["total"], counted["successful"], counted["failed"]) == (4, 2, 2)
    assert (counted["checks"]["total"], counted["checks"]["failed"]) == (3, 2)
    assert (counted["syncs"]["total"], counted["syncs"]["failed"]) == (1, 0)
    assert counted["average_seconds"] == 2.0
    assert counted["last_at"] == (AT + timedelta(minutes=3, seconds=2)).isoformat()
    assert counted["checks"]["last_failed_at"] == (AT + timedelta(minutes=2, seconds=2)).isoformat()


def test_statistics_of_nothing_are_zero_and_none() -> None:
    counted = statistics([])
    assert (counted["total"], counted["average_seconds"], counted["last_at"]) == (0, None, None)


def test_the_database_counts_as_this_process_does(site: Site) -> None:
    history = History(lambda: site.dsn)
    for minute, verdict in enumerate(("in_step", "trouble", "in_step")):
        history.add(record(verdict, minute=minute))
    found, why = history.groups()
    assert why == ""
    same = [record("in_step"), record("trouble", minute=1), record("in_step", minute=2)]
    assert statistics(found) == statistics(grouped(same))


# --- the report ---------------------------------------------------------------------------------


def test_a_report_has_status_statistics_and_history(site: Site, tmp_path: Path) -> None:
    damage(site)
    path = tmp_path / "new" / "report.json"
    monitor = site.monitor()
    returned = monitor.export_monitoring_report(path)
    written = json.loads(path.read_text())
    assert written == returned
    assert set(written) == {"generated_at", "status", "statistics", "recent_history"}
    assert written["status"]["verdict"] == "trouble"
    assert written["statistics"]["failed"] == 1
    assert len(written["recent_history"]) == 1
    assert monitor.export_monitoring_report()
    assert (site.folder / registry_sync_monitor.REPORT_NAME).exists()


def test_a_report_that_cannot_be_written_leaves_the_old_one(site: Site, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(ReportNotWritten, match="cannot be written"):
        site.monitor("token_lookup").export_monitoring_report(blocked / "report.json")
    assert blocked.read_text() == "not a folder"


# --- in an event loop ---------------------------------------------------------------------------


def test_a_check_does_not_hold_the_event_loop(site: Site) -> None:
    """While a check waits for a lock in the database, the loop goes on."""
    ticks = 0

    async def scenario() -> dict:
        nonlocal ticks
        monitor = site.monitor("published_table")
        with psycopg.connect(site.dsn) as connection:
            connection.execute("lock table marts.focus_instruments in access exclusive mode")
            checking = asyncio.create_task(monitor.check_sync_status())
            while not connection.execute(
                "select from pg_locks where relation = 'marts.focus_instruments'::regclass"
                " and not granted"
            ).fetchall():
                await asyncio.sleep(0)
                ticks += 1
            assert not checking.done()
            connection.rollback()
        return await checking

    status = asyncio.run(scenario())
    assert ticks > 0
    assert status["sync_needed"] is False
    assert (status["last_sync_time"], status["verdict"]) == (None, "in_step")


def test_checks_can_run_side_by_side_in_one_loop(site: Site) -> None:
    async def scenario() -> list[dict]:
        monitor = site.monitor("published_table")
        return await asyncio.gather(*(monitor.check_sync_status() for _ in range(3)))

    assert [one["sync_needed"] for one in asyncio.run(scenario())] == [False] * 3
    assert len(rows(site)) == 3


def test_there_is_one_monitor_a_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry_sync_monitor, "_monitor", None)
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    found: list[RegistrySyncMonitor] = []
    threads = [
        threading.Thread(target=lambda: found.append(get_registry_sync_monitor())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert asyncio.run(found[0].check_sync_status())["verdict"] == "no_source"
