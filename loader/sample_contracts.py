"""The futures and options of the sample: underlyings, their expiries and their strikes.

Strikes and prices are whole thousandths of a rupee here, so that no float is ever printed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from loader import sample_calendar as days

_MILLI = 1000
_NEW_LOTS_FROM = date(2026, 1, 1)
# The focus set takes 21 strikes of the two nearest expiries: even a tiny sample holds them.
_FOCUS = {"NIFTY": 25, "BANKNIFTY": 25, "SENSEX": 25}


class Row(NamedTuple):
    """One instrument, but for its tokens; all as Kite writes it."""

    symbol: str
    name: str
    expiry: str
    strike: str
    tick: str
    lot: int
    kind: str
    segment: str
    exchange: str


class Expiry(NamedTuple):
    """An option expiry and how many strikes it has at the sample's usual size."""

    day: date
    strikes: int


@dataclass(frozen=True, slots=True)
class Underlying:
    """What contracts are written on.

    Attributes:
        name: as in Kite's `name` and at the start of every symbol.
        exchange: where the contracts trade; their segments are `<exchange>-FUT` and `-OPT`.
        spot: the price around which strikes are listed, in thousandths.
        step: the distance of strikes, in thousandths.
        lot: units in a lot; `old_lot` for expiries before 2026.
        future_tick: of futures, as text.
        option_tick: of options, as text.
        futures: the expiries of its futures.
        options: the expiries of its options.
        shift: added to every strike, as corporate actions do; in thousandths.
    """

    name: str
    exchange: str
    spot: int
    step: int
    lot: int
    future_tick: str
    option_tick: str
    futures: Callable[[date], list[date]]
    options: Callable[[date], list[Expiry]]
    old_lot: int = 0
    shift: int = 0


def plain(milli: int) -> str:
    """Thousandths as a decimal without trailing zeros: 172500 is `172.5`."""
    whole, rest = divmod(milli, _MILLI)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def milli(text: str) -> int:
    """The reverse of `plain`."""
    return int(Decimal(text) * _MILLI)


def contracts(underlying: Underlying, as_of: date, scale: float) -> Iterator[Row]:
    """Yield an underlying's futures, then its options, nearest expiry first.

    Args:
        underlying: what they are written on.
        as_of: no contract expired before this day.
        scale: how many times the usual number of strikes.
    """
    exchange, name = underlying.exchange, underlying.name
    futures = underlying.futures(as_of)
    for day in futures:
        stamp = days.stamp(day, is_monthly=days.is_last_of_month(day, futures))
        yield Row(
            f"{name}{stamp}FUT", name, day.isoformat(), "0", underlying.future_tick,
            _lot(underlying, day), "FUT", f"{exchange}-FUT", exchange,
        )  # fmt: skip
    options = underlying.options(as_of)
    listed = [expiry.day for expiry in options]
    tick, segment = underlying.option_tick, f"{exchange}-OPT"
    for rank, (day, strikes) in enumerate(options):
        least = _FOCUS.get(name, 1) if rank < 2 else 1  # noqa: PLR2004  # two nearest expiries
        is_monthly = days.is_last_of_month(day, listed)
        start = name + days.stamp(day, is_monthly=is_monthly)
        expiry, lot = day.isoformat(), _lot(underlying, day)
        for strike in _strikes(underlying, max(least, round(strikes * scale)), rank):
            for kind in ("CE", "PE"):
                yield Row(
                    f"{start}{strike}{kind}", name, expiry, strike, tick, lot, kind, segment,
                    exchange,
                )  # fmt: skip


def _strikes(underlying: Underlying, number: int, rank: int) -> list[str]:
    """`number` strikes around the spot; further up where there is no room below."""
    step = underlying.step
    if underlying.name == "USDINR" and rank == 0:
        step //= 2  # eighths of a rupee: strikes of three decimals, such as 87.125
    middle = underlying.spot // step
    lowest = max(1, middle - number // 2)
    return [plain((lowest + i) * step + underlying.shift) for i in range(number)]


def _lot(underlying: Underlying, expiry: date) -> int:
    is_old = underlying.old_lot and expiry < _NEW_LOTS_FROM
    return underlying.old_lot if is_old else underlying.lot


def _union(*groups: list[Expiry]) -> list[Expiry]:
    """All expiries once, in order; the first group that names one says how many strikes."""
    found: dict[date, int] = {}
    for group in groups:
        for expiry in group:
            found.setdefault(expiry.day, expiry.strikes)
    return [Expiry(day, strikes) for day, strikes in sorted(found.items())]


def _sized(expiries: list[date], *sizes: int) -> list[Expiry]:
    """Expiries with these numbers of strikes; the last number goes on."""
    return [Expiry(day, sizes[min(i, len(sizes) - 1)]) for i, day in enumerate(expiries)]


def _monthly(weekday: int, number: int) -> Callable[[date], list[date]]:
    return lambda as_of: days.monthly(as_of, weekday, number)


def _weekly_index(weekday: int, weeks: int, *sizes: int) -> Callable[[date], list[Expiry]]:
    """Weeks, months, quarters and half-years up to five years out, as NIFTY and SENSEX have."""
    return lambda as_of: _union(
        _sized(days.monthly(as_of, weekday, 3), 120, 120, 100),
        _sized(days.weekly(as_of, weekday, weeks), *sizes),
        _sized(days.quarterly(as_of, weekday, 4), 22, 13),
        _sized(days.half_yearly(as_of, weekday, 5), 13),
    )


def _monthly_index(weekday: int, *sizes: int, quarters: int = 0) -> Callable[[date], list[Expiry]]:
    return lambda as_of: _union(
        _sized(days.monthly(as_of, weekday, 3), *sizes),
        _sized(days.quarterly(as_of, weekday, quarters), 12),
    )


def _index(
    name: str, exchange: str, spot: int, step: int, *, lot: int,
    options: Callable[[date], list[Expiry]], old_lot: int = 0, tick: str = "0.05",
) -> Underlying:  # fmt: skip
    weekday = days.TUESDAY if exchange == "NFO" else days.THURSDAY
    return Underlying(
        name, exchange, spot * _MILLI, step * _MILLI, lot, tick, "0.05",
        _monthly(weekday, 3), options, old_lot,
    )  # fmt: skip


TUE, THU = days.TUESDAY, days.THURSDAY

INDICES = (
    _index("NIFTY", "NFO", 24_550, 50, lot=65, old_lot=75, tick="0.1",
           options=_weekly_index(TUE, 5, 105, 105, 105, 77, 73)),
    _index("BANKNIFTY", "NFO", 55_800, 100, lot=30, old_lot=35, tick="0.2",
           options=_monthly_index(TUE, 167, 143, 133, quarters=4)),
    _index("FINNIFTY", "NFO", 26_300, 50, lot=60, old_lot=65,
           options=_monthly_index(TUE, 119, 64, 57)),
    _index("MIDCPNIFTY", "NFO", 14_500, 25, lot=120, old_lot=140,
           options=_monthly_index(TUE, 151, 133, 98)),
    _index("NIFTYNXT50", "NFO", 72_000, 100, lot=25, options=_monthly_index(TUE, 205, 185, 151)),
    _index("SENSEX", "BFO", 80_300, 100, lot=20,
           options=_weekly_index(THU, 7, 134, 150, 130, 130, 112)),
    _index("BANKEX", "BFO", 63_500, 100, lot=30, options=_monthly_index(THU, 260, 220, 190)),
    _index("SENSEX50", "BFO", 26_200, 50, lot=75, tick="1",
           options=_monthly_index(THU, 190, 160, 140)),
)  # fmt: skip


def stock(name: str, seed: int) -> Underlying:
    """A share with futures and options; its price, lot and ticks follow from its name."""
    draw = zlib.crc32(name.encode(), seed & 0xFFFFFFFF)
    spot = 40 + draw % 4_960
    step = next(step for below, step in _STEPS if spot < below)
    tick = next(tick for below, tick in ((250, "0.01"), (1_000, "0.05"), (5_000, "0.1"))
                if spot < below)  # fmt: skip
    lot = max(25, 600_000 // spot // 25 * 25)
    # One in forty has been through a corporate action: strikes such as 2423.7.
    shift = -300 if draw // 4_960 % 40 == 0 else 0
    return Underlying(
        name, "NFO", spot * _MILLI, step, lot, tick, "0.01" if spot < 100 else "0.05",  # noqa: PLR2004
        _monthly(days.TUESDAY, 3), _monthly_index(days.TUESDAY, 30, 28, 18), shift=shift,
    )  # fmt: skip


_STEPS = ((100, 1_000), (250, 2_500), (500, 5_000), (1_500, 10_000), (3_000, 20_000),
          (10_000, 50_000))  # fmt: skip


def _commodity(  # noqa: PLR0917  # the columns of the table below
    exchange: str, name: str, spot: float, step: float, lot: int, day: int, *sizes: int
) -> Underlying:
    tick = "1" if spot > 1_000 else "0.05"  # noqa: PLR2004
    return Underlying(
        name, exchange, round(spot * _MILLI), round(step * _MILLI), lot, tick,
        "0.5" if spot > 100_000 else "0.05",  # noqa: PLR2004
        lambda as_of: days.on_day(as_of, day, 6),
        lambda as_of: _sized(days.on_day(as_of, day - 3, len(sizes)), *sizes),
    )  # fmt: skip


COMMODITIES = (
    _commodity("MCX", "GOLD", 152_000, 500, 1, 31, *(2 * (340, 320, 300, 290, 280, 270))),
    _commodity("MCX", "GOLDM", 152_000, 500, 100, 31, 280, 260, 240),
    _commodity("MCX", "SILVER", 262_000, 1_000, 30, 28, *(2 * (360, 350, 340, 330)), 320, 310, 300),
    _commodity("MCX", "SILVERM", 262_000, 1_000, 5, 28, *(2 * (360, 350, 340, 330)), 320, 310, 300),
    _commodity("MCX", "CRUDEOIL", 6_900, 50, 100, 20, 405, 390, 375),
    _commodity("MCX", "CRUDEOILM", 6_900, 50, 10, 20, 405, 390, 375),
    _commodity("MCX", "NATURALGAS", 280, 5, 1250, 26, 190, 180, 170),
    _commodity("MCX", "NATGASMINI", 280, 5, 250, 26, 190, 180, 170),
    _commodity("MCX", "COPPER", 1_340, 5, 2500, 30, 135, 110, 90, 70),
    _commodity("MCX", "ZINC", 385, 2.5, 5, 30, 80, 70, 60, 50),
    _commodity("MCX", "MCXBULLDEX", 35_000, 100, 30, 30, 190, 180, 170),
    *(_commodity("MCX", name, 250, 1, lot, 31) for name, lot in (
        ("ALUMINIUM", 5), ("ALUMINI", 1), ("LEAD", 5), ("LEADMINI", 1), ("NICKEL", 250),
        ("MENTHAOIL", 360), ("COTTON", 25), ("GOLDPETAL", 1), ("GOLDGUINEA", 8))),
    _commodity("NCO", "GOLD", 152_000, 100, 1, 31, 700, 600, 500, 400, 300, 250),
    _commodity("NCO", "GOLDM", 152_000, 100, 1, 31, 199, 170, 136),
    _commodity("NCO", "SILVER", 262_000, 250, 1, 28, 421, 287),
    _commodity("NCO", "SILVERM", 262_000, 250, 1, 28, *(1_100, 900, 800, 750, 700, 600, 500), 400),
    _commodity("NCO", "CRUDEOIL", 6_900, 50, 1, 20, 151, 138),
    _commodity("NCO", "NATURALGAS", 280, 5, 1, 26, 45, 43, 34),
    _commodity("NCO", "COPPER", 1_340, 5, 1, 30, 47, 45, 40, 24),
    _commodity("NCO", "ZINC", 385, 2.5, 1, 30, 36, 33, 28, 22),
    *(_commodity("NCO", name, 250, 1, 1, 31)
      for name in ("ALUMINIUM", "LEAD", "NICKEL", "BRCRUDEOIL", "NATGASIND", "ELECMBL")),
)  # fmt: skip


def _currency(exchange: str, name: str, spot: float, strikes: int, weeks: int) -> Underlying:
    def expiries(as_of: date, weeks: int, months: int) -> list[date]:
        fridays = days.weekly(as_of, days.FRIDAY, weeks)
        return sorted({*fridays, *days.monthly(as_of, days.FRIDAY, months)})

    return Underlying(
        name, exchange, round(spot * _MILLI), 250, 1, "0.0025", "0.0025",
        lambda as_of: expiries(as_of, 12, 12),
        lambda as_of: _sized(expiries(as_of, weeks, 12 if weeks else 4), strikes),
    )  # fmt: skip


CURRENCIES = (
    _currency("CDS", "USDINR", 87.5, 68, 6),
    _currency("CDS", "EURINR", 101.25, 61, 6),
    _currency("CDS", "GBPINR", 118, 67, 6),
    _currency("CDS", "JPYINR", 59.5, 58, 6),
    _currency("BCD", "USDINR", 87.5, 44, 0),
    _currency("BCD", "EURINR", 101.25, 30, 0),
    _currency("BCD", "GBPINR", 118, 30, 0),
    _currency("BCD", "694GS2036", 100, 26, 0),
)
