from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from warehouse.clock import Clock


def at(text: str) -> Clock:
    return Clock(now=lambda: datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_the_as_of_date_is_the_day_in_kolkata() -> None:
    assert at("2026-08-17T18:29:59").as_of_date() == date(2026, 8, 17)
    assert at("2026-08-17T18:30:00").as_of_date() == date(2026, 8, 18)


def test_a_replay_behaves_as_its_day() -> None:
    clock = Clock(as_of=date(2026, 8, 17))
    assert clock.as_of_date() == clock.expected_as_of_date() == date(2026, 8, 17)


def test_a_replay_says_so_unless_it_is_of_today() -> None:
    def now() -> datetime:
        return datetime(2026, 8, 18, 3, tzinfo=UTC)

    assert Clock(as_of=date(2026, 8, 17), now=now).replayed == (
        "AS_OF=2026-08-17 is set, while today is 2026-08-18"
    )
    assert Clock(as_of=date(2026, 8, 18), now=now).replayed == ""
    assert Clock(now=now).replayed == ""


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        ("2026-08-17T02:00:00", date(2026, 8, 14)),  # Monday 07:30 IST: Friday's is what there is
        ("2026-08-17T03:31:00", date(2026, 8, 17)),  # Monday 09:01 IST: today's is expected
        ("2026-08-15T12:00:00", date(2026, 8, 14)),  # Saturday
        ("2026-08-16T12:00:00", date(2026, 8, 14)),  # Sunday
    ],
)
def test_the_expected_publication_is_the_last_weekday_due(utc: str, expected: date) -> None:
    assert at(utc).expected_as_of_date() == expected
