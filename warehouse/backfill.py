"""Replay a folder of dated dumps in order of their days, each through the whole sync."""

from __future__ import annotations

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
    """One trading day of a folder: a dump for each feed."""

    as_of: date
    dumps: Mapping[str, Path]

    @property
    def kite(self) -> Path:
        """Kite's, without which nothing is published."""
        return self.dumps[KITE.name]


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
        UsageError: it is no folder, holds no dated dump, or a day lacks Kite's.
    """
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is not a folder of dumps.")
    found: dict[date, dict[str, Path]] = {}
    for path in sorted(folder.rglob("*"), key=lambda one: (_written(one), str(one))):
        if not path.name.endswith(_ENDINGS) or path.name.startswith(".") or not path.is_file():
            continue
        parts = path.relative_to(folder.parent).parts
        feed = next((part for part in reversed(parts[:-1]) if part in FEEDS), KITE.name)
        day = _day_of(parts)
        if day is not None and feed in feeds:
            found.setdefault(day, {})[feed] = path
    if not found:
        raise UsageError(
            f"{folder} holds no dated dump. Expected files such as 2026-08-17_instruments.csv.gz, "
            f"or folders named by a day, as in landing/kite/2026-08-17/."
        )
    without = sorted(day for day, dumps in found.items() if KITE.name not in dumps)
    if without:
        raise UsageError(f"Of {_told(without)} there is no dump of Kite, which every day needs.")
    return tuple(Day(day, found[day]) for day in sorted(found))


def plan_backfill(days: Sequence[Day], published: Iterable[date]) -> Plan:
    """What is left to do: a second run goes on after the last day that is published.

    Args:
        days: those of the folder.
        published: the days that history holds now.

    Raises:
        UsageError: a day would have to go before one that is published.
    """
    held = set(published)
    last = max(held, default=None)
    left = tuple(day for day in days if day.as_of not in held)
    before = [day.as_of for day in left if last is not None and day.as_of < last]
    if before:
        raise UsageError(
            f"History holds {last} already and goes forward only: {_told(before)} cannot go before "
            f"it. Nothing was published. To begin with the oldest day, backfill into an empty "
            f"database: point DATABASE_URL at a new one (and WAREHOUSE_HOME at a new folder), or "
            f"drop the schemas marts, history and ops of this one; then sync as usual."
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


def _written(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() else 0.0


def _told(days: Sequence[date]) -> str:
    shown = ", ".join(map(str, days[:3]))
    return shown if len(days) <= 3 else f"{shown} and {len(days) - 3} more days"  # noqa: PLR2004
