"""Expiry dates for the sample: weekly, monthly, quarterly and half-yearly ones."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, timedelta

MONDAY, TUESDAY, THURSDAY, FRIDAY = 0, 1, 3, 4
# Enough of them that some expiries fall on the day before, as real ones do.
_HOLIDAYS = frozenset({(1, 26), (8, 15), (10, 2), (12, 25)})
_DAY = timedelta(days=1)
_SATURDAY = 5
_HALF_YEARS = (6, 12)
_QUARTERS = (3, 6, 9, 12)


def trading_day(day: date) -> date:
    """This day, or the last trading day before it."""
    while day.weekday() >= _SATURDAY or (day.month, day.day) in _HOLIDAYS:
        day -= _DAY
    return day


def weekly(as_of: date, weekday: int, number: int) -> list[date]:
    """The next `number` weekly expiries, the as-of day's own included."""
    day = as_of + timedelta(days=(weekday - as_of.weekday()) % 7)
    expiries: list[date] = []
    while len(expiries) < number:
        expiry = trading_day(day)
        if expiry >= as_of:
            expiries.append(expiry)
        day += timedelta(weeks=1)
    return expiries


def monthly(as_of: date, weekday: int, number: int) -> list[date]:
    """The next `number` last-of-the-month expiries."""
    expiries = (_last(year, month, weekday) for year, month in _months(as_of))
    return _first(number, (expiry for expiry in expiries if expiry >= as_of))


def quarterly(as_of: date, weekday: int, number: int) -> list[date]:
    """The next `number` expiries at the ends of quarters."""
    return [day for day in monthly(as_of, weekday, 3 * number) if day.month in _QUARTERS]


def half_yearly(as_of: date, weekday: int, years: int) -> list[date]:
    """The June and December expiries of the next `years` years."""
    return [day for day in monthly(as_of, weekday, 12 * years) if day.month in _HALF_YEARS]


def on_day(as_of: date, day: int, number: int) -> list[date]:
    """The next `number` expiries on (or, for a holiday, before) one day of each month."""
    expiries = (
        trading_day(date(year, month, min(day, calendar.monthrange(year, month)[1])))
        for year, month in _months(as_of)
    )
    return _first(number, (expiry for expiry in expiries if expiry >= as_of))


def stamp(expiry: date, *, is_monthly: bool) -> str:
    """The date inside a Kite symbol: `26AUG` in the monthly form, `26818` in the weekly one."""
    year = f"{expiry.year % 100:02d}"
    if is_monthly:
        return year + calendar.month_abbr[expiry.month].upper()
    return f"{year}{'123456789OND'[expiry.month - 1]}{expiry.day:02d}"


def is_last_of_month(expiry: date, expiries: list[date]) -> bool:
    """Whether no later expiry of the list falls in the same month."""
    return not any(
        (other.year, other.month) == (expiry.year, expiry.month) and other > expiry
        for other in expiries
    )


def _last(year: int, month: int, weekday: int) -> date:
    end = date(year, month, calendar.monthrange(year, month)[1])
    return trading_day(end - timedelta(days=(end.weekday() - weekday) % 7))


def _months(start: date) -> Iterator[tuple[int, int]]:
    year, month = start.year, start.month
    while True:
        yield year, month
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004


def _first(number: int, days: Iterator[date]) -> list[date]:
    return [day for _, day in zip(range(number), days, strict=False)]
