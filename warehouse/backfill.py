"""What a folder of dated dumps holds, and what is to be done with each of its days."""

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
    """What a backfill has to do.

    Attributes:
        days: after the last published day: to be published in their order.
        published: days that are published already.
        earlier: before the first published day: to be put before the history.
        found: all that the folder has.
    """

    days: tuple[Day, ...]
    published: tuple[Day, ...] = ()
    earlier: tuple[Day, ...] = ()
    found: tuple[Day, ...] = ()

    @property
    def published_days(self) -> list[str]:
        """The days that are skipped."""
        return [day.as_of.isoformat() for day in self.published]

    def at_hand(self, as_of: date) -> tuple[Path, ...]:
        """The folder's dumps of a day, whether that is wanted or not."""
        return tuple(
            path for day in self.found if day.as_of == as_of
            for path in (*day.dumps.values(), *day.left_out)
        )  # fmt: skip


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


def plan_backfill(days: Sequence[Day], found: Sequence[Day], published: Iterable[date]) -> Plan:
    """What is left to do: a second run goes on after the last day that is published.

    Args:
        days: those of the folder that are wanted.
        found: all of the folder.
        published: the days that history holds now.

    Raises:
        UsageError: a day would have to go between two that are published, or the first of all
            lacks Kite's dump.
    """
    held = set(published)
    first, last = min(held, default=date.max), max(held, default=date.min)
    left = tuple(day for day in days if day.as_of not in held)
    between = [day.as_of for day in left if first < day.as_of < last]
    if between:
        raise UsageError(
            f"History holds {first} to {last}, and no day goes between two of them: it was told "
            f"what became of each instrument without {_told(between)}. Nothing was published. "
            f"Leave such days out: `--until {first}` for those before, `--since {last}` for those "
            f"after."
        )
    oldest = left[:1] if not held or any(day.as_of < first for day in left) else ()
    if oldest and KITE.name not in oldest[0].dumps:
        raise UsageError(
            f"Of {oldest[0].as_of} there is no dump of Kite, and none was published before it that "
            f"could stand in. Nothing was published: begin with a day that has one."
        )
    return Plan(
        days=tuple(day for day in left if not held or day.as_of > last),
        published=tuple(day for day in days if day.as_of in held),
        earlier=tuple(day for day in left if held and day.as_of < first),
        found=tuple(found),
    )


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
