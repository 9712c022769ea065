from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from warehouse.clock import Clock
from warehouse.status import read_status
from warehouse.summary import told_age

NOW = datetime(2026, 8, 17, 4, 0, tzinfo=UTC)  # Monday, 09:30 IST
CLOCK = Clock(now=lambda: NOW)


def publish(ledger: psycopg.Connection, as_of: date = date(2026, 8, 17)) -> None:
    ledger.execute(
        """
        insert into ops.publications (publication_id, published_at, as_of_date, filter, fingerprint)
        values (1, %s, %s, 'nifty', 'f')
        """,
        (NOW - timedelta(minutes=45), as_of),
    )


def run(ledger: psycopg.Connection, *, status: str, exit_code: int) -> None:
    ledger.execute(
        """
        insert into ops.sync_runs (
            run_id, command, status, stage, host, pid, exit_code, started_at, error
        )
        values ('r1', 'sync', %s, 'gate', 'h', 1, %s, %s, 'why')
        """,
        (status, exit_code, NOW),
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


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(42, "42 s"), (600, "10 min"), (3 * 3600 + 1800, "3.5 h"), (2 * 86400, "2.0 days")],
)
def test_ages_are_told_as_people_say_them(seconds: float, told: str) -> None:
    assert told_age(seconds) == told
