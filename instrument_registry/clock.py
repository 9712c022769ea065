"""The one place of this package that reads the time of day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

INDIA = timezone(timedelta(hours=5, minutes=30), "IST")


def now() -> datetime:
    """The instant, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The trading day in India."""
    return now().astimezone(INDIA).date()
