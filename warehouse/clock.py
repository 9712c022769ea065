"""The one clock. Nothing else in the warehouse reads the time of day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

KOLKATA = ZoneInfo("Asia/Kolkata")

# Kite rebuilds its dump about 08:00-08:30 IST; the timer in deploy/ syncs at 08:40. Until an
# hour after that, yesterday's publication is what a healthy installation shows.
PUBLISHED_BY = time(9, 0)
SATURDAY = 5


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Instants in UTC and the as-of date, a trading day in Asia/Kolkata.

    Args:
        as_of: the trading day to behave as (replays); `None` follows the time of day.
        now: returns the present instant, timezone-aware; tests pass their own.
    """

    as_of: date | None = None
    now: Callable[[], datetime] = _utc_now

    def as_of_date(self) -> date:
        """The trading day that a dump fetched now describes."""
        return self.as_of or self.today()

    def today(self) -> date:
        """The day in Asia/Kolkata by the time of day, whatever AS_OF says."""
        return self.now().astimezone(KOLKATA).date()

    @property
    def replayed(self) -> str:
        """That another day than today is behaved as, for a person; empty when it is not."""
        if self.as_of is None or self.as_of == self.today():
            return ""
        return f"AS_OF={self.as_of} is set, while today is {self.today()}"

    def expected_as_of_date(self) -> date:
        """The newest trading day that a healthy installation has published by now.

        Weekdays only: exchange holidays are not known here, so that on a holiday the previous
        publication counts as one day old and `warehouse status` says so.
        """
        if self.as_of is not None:
            return self.as_of
        local = self.now().astimezone(KOLKATA)
        day = local.date() if local.time() >= PUBLISHED_BY else local.date() - timedelta(days=1)
        while day.weekday() >= SATURDAY:
            day -= timedelta(days=1)
        return day
