from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from rich.console import Console

from warehouse import database
from warehouse.clock import Clock
from warehouse.commands import last_report
from warehouse.ledger import Run
from warehouse.settings import Settings
from warehouse.status import read_status
from warehouse.summary import print_status, told_age

NOW = datetime(2026, 8, 17, 4, 0, tzinfo=UTC)  # Monday, 09:30 IST
CLOCK = Clock(now=lambda: NOW)


def publish(
    ledger: psycopg.Connection, as_of: date = date(2026, 8, 17), *, source: str = "kite"
) -> None:
    ledger.execute(
        """
        with load as (
            insert into ops.loads (
                feed, source, sha256, bytes, as_of_date, landing_path, started_at, status
            )
            values ('kite', %s, 'x', 1, %s, 'p', %s, 'landed')
            returning load_id
        )

        insert into ops.publications (
            publication_id, published_at, as_of_date, filter, fingerprint, load_id
        )
        select 1, %s, %s, 'nifty', 'f', load_id from load
        """,
        (source, as_of, NOW, NOW - timedelta(minutes=45), as_of),
    )


def run(
    ledger: psycopg.Connection,
    *,
    status: str,
    exit_code: int,
    verdict: str | None = None,
    at: datetime = NOW,
) -> None:
    ledger.execute(
        """
        insert into ops.sync_runs (
            run_id, command, status, stage, host, pid, exit_code, started_at, error, verdict
        )
        values (gen_random_uuid(), 'sync', %s, 'gate', 'h', 1, %s, %s, 'why', %s)
        """,
        (status, exit_code, at, verdict),
    )


def test_a_fresh_publication_without_pending_destinations_is_safe(
    ledger: psycopg.Connection,
) -> None:
    publish(ledger)
    run(ledger, status="published", exit_code=0)
    status = read_status(ledger, CLOCK)
    assert (status.is_safe, status.exit_code, status.reasons) == (True, 0, ())
    assert status.age_seconds == 45 * 60
    assert status.facts()["publication_id"] == 1


def test_nothing_published_is_not_safe(ledger: psycopg.Connection) -> None:
    status = read_status(ledger, CLOCK)
    assert (status.is_safe, status.exit_code) == (False, 3)
    assert "nothing has been published" in status.reasons[0]


def test_an_old_publication_is_not_safe(ledger: psycopg.Connection) -> None:
    publish(ledger, date(2026, 8, 14))
    status = read_status(ledger, CLOCK)
    assert (status.is_safe, status.exit_code) == (False, 3)
    assert "as of 2026-08-14, 2026-08-17 is expected" in status.reasons[0]


def test_a_pending_destination_is_not_safe(ledger: psycopg.Connection) -> None:
    publish(ledger)
    ledger.execute("insert into ops.exports values (1, 'redis', 'failed')")
    status = read_status(ledger, CLOCK)
    assert (status.exit_code, status.pending) == (5, ("redis",))


@pytest.mark.parametrize(
    ("state", "code", "expected"), [("failed", 4, 4), ("failed", 3, 3), ("died", 0, 3)]
)
def test_a_last_sync_that_went_wrong_is_not_safe(
    ledger: psycopg.Connection, state: str, code: int, expected: int
) -> None:
    publish(ledger)
    run(ledger, status=state, exit_code=code)
    status = read_status(ledger, CLOCK)
    assert (status.is_safe, status.exit_code) == (False, expected)


def test_made_up_tokens_are_never_safe(ledger: psycopg.Connection) -> None:
    publish(ledger, source="sample")
    status = read_status(ledger, CLOCK)
    assert (status.is_safe, status.exit_code) == (False, 3)
    assert "publication 1 is of the generated sample" in status.reasons[0]
    assert status.facts()["source"] == "sample"
    shown = io.StringIO()
    print_status(Console(file=shown, width=200), status)
    assert "source sample" in shown.getvalue()


def test_a_sync_that_postgresql_stopped_is_told_in_its_own_words(
    ledger: psycopg.Connection,
) -> None:
    publish(ledger)
    run(ledger, status="failed", exit_code=4)
    assert read_status(ledger, CLOCK).reasons == ("the last sync was stopped: why",)
    run(ledger, status="failed", exit_code=4, verdict="red")
    assert "gate was red" in read_status(ledger, CLOCK).reasons[0]


def test_a_mistyped_option_hides_no_red_gate(ledger: psycopg.Connection) -> None:
    publish(ledger)
    run(ledger, status="failed", exit_code=4, verdict="red")
    run(ledger, status="failed", exit_code=2)
    assert read_status(ledger, CLOCK).exit_code == 4
    run(ledger, status="published", exit_code=0)
    assert read_status(ledger, CLOCK).exit_code == 0


# --- clocks that were wrong ------------------------------------------------------------------


def test_the_last_sync_is_the_last_even_if_a_clock_was_years_ahead(
    ledger: psycopg.Connection, settings: Settings
) -> None:
    publish(ledger)
    ahead = Clock(now=lambda: datetime(2031, 1, 1, 4, 0, tzinfo=UTC))
    for clock, code in ((ahead, 4), (CLOCK, 0)):
        begun = Run.start(ledger, run_id=f"of {code}", command="sync", started_at=clock.now())
        page = settings.reports / begun.run_id / "summary.html"
        page.parent.mkdir(parents=True)
        page.touch()
        status = "failed" if code else "published"
        begun.update(status=status, exit_code=code, report_path=str(page), finished_at=clock.now())
    status = read_status(ledger, CLOCK)
    assert (status.exit_code, [run["run_id"] for run in status.runs]) == (0, ["of 0", "of 4"])
    assert last_report(settings, CLOCK) == settings.reports / "of 0" / "summary.html"


def test_runs_of_an_older_ledger_keep_their_order(ledger: psycopg.Connection) -> None:
    ledger.execute("alter table ops.sync_runs drop column run_number")
    run(ledger, status="failed", exit_code=3, at=NOW)
    run(ledger, status="published", exit_code=0, at=NOW - timedelta(days=1))
    # A reader takes it as it is, a sync brings it up to date.
    assert [one["exit_code"] for one in read_status(ledger, CLOCK).runs] == [3, 0]
    database.ensure_schema(ledger)
    run(ledger, status="failed", exit_code=4, at=NOW - timedelta(days=2))
    assert [one["exit_code"] for one in read_status(ledger, CLOCK).runs] == [4, 3, 0]
    database.ensure_schema(ledger)
    numbers = "select array_agg(run_number order by run_number) from ops.sync_runs"
    assert ledger.execute(numbers).fetchone() == ([1, 2, 3],)


def test_a_day_to_come_is_not_safe(ledger: psycopg.Connection) -> None:
    publish(ledger, date(2026, 8, 20))
    status = read_status(ledger, CLOCK)
    assert (status.is_safe, status.exit_code) == (False, 3)
    assert "2026-08-20, a day to come (today is 2026-08-17)" in status.reasons[0]


# --- while a sync runs -----------------------------------------------------------------------


def test_what_is_pending_while_a_sync_runs_is_told_so(ledger: psycopg.Connection) -> None:
    publish(ledger)
    ledger.execute("insert into ops.exports values (1, 'redis', 'pending')")
    run(ledger, status="failed", exit_code=4, verdict="red")
    Run.start(ledger, run_id="now", command="sync", started_at=NOW)
    status = read_status(ledger, CLOCK)
    assert status.running.startswith("sync is running since 2026-08-17 04:00:00 UTC (host ")
    assert status.facts()["running"] == status.running
    # It has said nothing yet: what the one before said holds.
    assert status.reasons == (
        f"pending: redis; {status.running}; look again when it has ended",
        "the last sync's gate was red; read None",
    )
    ledger.execute("update ops.sync_runs set backend_pid = 0 where run_id = 'now'")
    assert "died" in read_status(ledger, CLOCK).reasons[1]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (42, "42 s ago"),
        (600, "10 min ago"),
        (3 * 3600 + 1800, "3.5 h ago"),
        (2 * 86400, "2.0 days ago"),
        (-600, "10 min ahead of this machine's clock"),
    ],
)
def test_ages_are_told_as_people_say_them(seconds: float, told: str) -> None:
    assert told_age(seconds) == told
