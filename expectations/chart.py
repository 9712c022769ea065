"""The bars of the report's chart: where each is drawn, in the units of the SVG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

WIDTH: Final = 520
ROW_HEIGHT: Final = 34
SHOWN: Final = 16
# The share below which a bar is drawn as a worry; the gate's own limits decide, not this one.
LOW: Final = 0.95


@dataclass(frozen=True, slots=True)
class Bar:
    """One exchange: its rows now and last time, as numbers and as widths."""

    exchange: str
    now: int
    before: int | None
    now_width: float
    before_width: float
    y: int
    note: str
    mood: Literal["usual", "low", "gone", "new"]


def exchange_bars(now: Mapping[str, int], before: Mapping[str, int]) -> tuple[Bar, ...]:
    """The bars, longest first; `before` is empty before the first publication."""
    exchanges = sorted({*now, *before}, key=lambda each: (-now.get(each, 0), each))
    # An exchange that is gone must be seen even in a dump of many exchanges.
    exchanges = sorted(exchanges[:SHOWN] + [each for each in exchanges[SHOWN:] if each in before])
    exchanges.sort(key=lambda each: -max(now.get(each, 0), before.get(each, 0)))
    longest = max([*now.values(), *before.values(), 1])
    bars = []
    for position, exchange in enumerate(exchanges):
        rows = now.get(exchange, 0)
        last = before.get(exchange, 0) if before else None
        note, mood = _change(rows, last)
        bars.append(
            Bar(
                exchange=exchange,
                now=rows,
                before=last,
                now_width=_width(rows, longest),
                before_width=_width(last or 0, longest),
                y=position * ROW_HEIGHT,
                note=note,
                mood=mood,
            )
        )
    return tuple(bars)


def _width(rows: int, longest: int) -> float:
    return round(max(WIDTH * rows / longest, 1.5 if rows else 0), 1)


def _change(now: int, before: int | None) -> tuple[str, Literal["usual", "low", "gone", "new"]]:
    if before is None:
        return "", "usual"
    if not before:
        return ("new", "new") if now else ("", "usual")
    if not now:
        return "gone", "gone"
    ratio = now / before
    note = "unchanged" if now == before else f"{100 * (ratio - 1):+.1f} %"
    return note, "low" if ratio < LOW else "usual"
