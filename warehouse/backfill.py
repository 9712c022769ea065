"""Replay a folder of dated dumps in order of their days, each through the whole sync."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from loader.feeds import FEEDS, KITE
from warehouse.errors import UsageError

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?!\d)")
_ENDINGS = (".csv", ".csv.gz", ".json", ".json.gz")


@dataclass(frozen=True, slots=True)
class Day:
    """One trading day of a folder.

    Attributes:
        as_of: the day.
        dumps: of each feed that has one, its dump.
        left_out: other dumps of that day, which differ and were written earlier.
    """

    as_of: date
    dumps: Mapping[str, Path]
    left_out: tuple[Path, ...] = ()

    def sources(self, feeds: Iterable[str]) -> dict[str, str | None]:
        """Where each feed's dump is; None where it is missing, as it was that day."""
        return {name: str(self.dumps[name]) if name in self.dumps else None for name in feeds}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backfill has to do: the days to publish, and those that are published already."""

    days: tuple[Day, ...]
    published: tuple[date, ...]


def find_days(folder: Path, feeds: Sequence[str]) -> tuple[Day, ...]:
    """The days of a folder, the oldest first.

    A file's day is the date with which its name begins, else that of the nearest folder named by
    a date; its feed the folder named by a feed, else Kite. Of several dumps of one feed and day
    the one written last counts.

    Raises:
        UsageError: it is no folder, holds no dated dump, or nobody can say which of two dumps was
            written last.
    """
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is not a folder of dumps.")
    found: dict[date, dict[str, list[Path]]] = {}
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith(_ENDINGS) or path.name.startswith(".") or not path.is_file():
            continue
        parts = path.relative_to(folder.parent).parts
        feed = next((part for part in reversed(parts[:-1]) if part in FEEDS), KITE.name)
        day = _day_of(parts)
        if day is not None and feed in feeds:
            found.setdefault(day, {}).setdefault(feed, []).append(path)
    if not found:
        raise UsageError(
            f"{folder} holds no dated dump. Expected files such as 2026-08-17_instruments.csv.gz, "
            f"or folders named by a day, as in landing/kite/2026-08-17/."
        )
    return tuple(_day(day, found[day]) for day in sorted(found))


def _day(as_of: date, found: Mapping[str, Sequence[Path]]) -> Day:
    dumps, left_out = {}, []
    for feed, paths in found.items():
        last = max(paths, key=lambda path: path.stat().st_mtime_ns)
        others = [path for path in paths if not filecmp.cmp(path, last, shallow=False)]
        for path in others:
            if path.stat().st_mtime_ns == last.stat().st_mtime_ns:
                raise UsageError(
                    f"Of {as_of} there are two dumps of {FEEDS[feed].title} that differ and were "
                    f"written at the same instant, as copies may be: {path} and {last}. Nothing "
                    f"was published: take away the one that does not count."
                )
        dumps[feed] = last
        left_out += others
    return Day(as_of, dumps, tuple(left_out))


def within(days: Sequence[Day], since: date | None, until: date | None) -> tuple[Day, ...]:
    """The days of a span, both ends included.

    Raises:
        UsageError: the folder has none of them.
    """
    first, last = since or date.min, until or date.max
    picked = tuple(day for day in days if first <= day.as_of <= last)
    if not picked:
        raise UsageError(
            f"The folder has no dump from {since or 'the first day'} to {until or 'the last'}: its "
            f"days are {_told([day.as_of for day in days])}."
        )
    return picked


def plan_backfill(days: Sequence[Day], published: Iterable[date]) -> Plan:
    """What is left to do: a second run goes on after the last day that is published.

    Args:
        days: those of the folder.
        published: the days that history holds now.

    Raises:
        UsageError: a day would have to go before one that is published, or the first of all
            lacks Kite's dump.
    """
    held = set(published)
    last = max(held, default=None)
    left = tuple(day for day in days if day.as_of not in held)
    before = [day.as_of for day in left if last is not None and day.as_of < last]
    if before:
        raise UsageError(
            f"History holds {last} already and goes forward only: {_told(before)} cannot go before "
            f"it. Nothing was published, and nothing has to be dropped. A history that begins with "
            f"the oldest day is made in a database beside this one, which takes its place once "
            f"the hand changes are carried over: docs/decisions/0011-history-by-difference.md "
            f"says how."
        )
    if last is None and left and KITE.name not in left[0].dumps:
        raise UsageError(
            f"Of {left[0].as_of} there is no dump of Kite, and none was published before it that "
            f"could stand in. Nothing was published: begin with a day that has one."
        )
    return Plan(left, tuple(day.as_of for day in days if day.as_of in held))


def _day_of(parts: Sequence[str]) -> date | None:
    """The file's own day, else that of the nearest folder."""
    for part in reversed(parts):
        match = _DAY.match(part)
        if match is not None:
            try:
                return date.fromisoformat(match[1])
            except ValueError:
                continue
    return None


def _told(days: Sequence[date]) -> str:
    shown = ", ".join(map(str, days[:3]))
    return shown if len(days) <= 3 else f"{shown} and {len(days) - 3} more days"  # noqa: PLR2004
