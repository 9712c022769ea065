"""Which expiries are listed: what decides where a symbol leaves the day out.

Expiries are never computed from a weekday (holidays move them): they come from a dump.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from instrument_registry.symbols.contracts import Kind

# Where the month's last expiry is the monthly one. Not for currencies: their monthly contract ends
# two working days before the month does, and a weekly one may follow it (at NSE in February 2026:
# monthly on the 25th, weekly on the 27th). There the entries have to say which is which.
LAST_IS_MONTHLY: Final = frozenset({"NFO", "BFO", "MCX", "NCO"})


@dataclass(frozen=True, slots=True)
class ListedExpiry:
    """One day on which contracts of an underlying expire.

    Futures and options are listed apart: at MCX and NCO they end on different days.

    Attributes:
        exchange: NFO, BFO, CDS, BCD, MCX, NCO or NCDEX.
        underlying: as it stands in symbols.
        kind: `Kind.FUTURE` or `Kind.OPTION`.
        expiry: the day.
        is_monthly: whether it is its month's monthly expiry, if the source says so (Upstox's
            `weekly`, Dhan's `SEM_EXPIRY_FLAG`); None if not, and then the last of the month counts
            as the monthly one where that holds (`LAST_IS_MONTHLY`).
    """

    exchange: str
    underlying: str
    kind: Kind
    expiry: date
    is_monthly: bool | None = None


_Month = tuple[str, str, Kind, int, int]


@dataclass(frozen=True, slots=True)
class ListedExpiries:
    """A calendar of listed expiries, built once from a dump and asked often.

    Example:
        >>> from instrument_registry.symbols import Kind, ListedExpiries, ListedExpiry
        >>> days = (date(2026, 8, 18), date(2026, 8, 25))
        >>> listed = ListedExpiries.of(
        ...     ListedExpiry("NFO", "NIFTY", Kind.OPTION, day) for day in days
        ... )
        >>> listed.in_month("NFO", "NIFTY", Kind.OPTION, 2026, 8) == days
        True
        >>> listed.monthly("NFO", "NIFTY", Kind.OPTION, 2026, 8)
        (datetime.date(2026, 8, 25),)
    """

    _all: Mapping[_Month, tuple[date, ...]]
    _monthly: Mapping[_Month, tuple[date, ...]]

    @classmethod
    def of(cls, entries: Iterable[ListedExpiry]) -> Self:
        """The calendar of these entries, in any order; repeats do no harm."""
        by_month: dict[_Month, set[ListedExpiry]] = {}
        for entry in entries:
            day = entry.expiry
            key = (entry.exchange, entry.underlying, entry.kind, day.year, day.month)
            by_month.setdefault(key, set()).add(entry)
        return cls(
            {key: _days(listed) for key, listed in by_month.items()},
            {key: _monthly_days(key[0], listed) for key, listed in by_month.items()},
        )

    def in_month(
        self, exchange: str, underlying: str, kind: Kind, year: int, month: int
    ) -> tuple[date, ...]:
        """Every listed expiry of that month, ascending; empty if there is none."""
        return self._all.get((exchange, underlying, kind, year, month), ())

    def monthly(
        self, exchange: str, underlying: str, kind: Kind, year: int, month: int
    ) -> tuple[date, ...]:
        """The month's monthly expiry; several days if it is open which of them it is."""
        return self._monthly.get((exchange, underlying, kind, year, month), ())

    def holds(self, exchange: str, underlying: str, kind: Kind, expiry: date) -> bool:
        """Whether contracts of that kind expire on that day."""
        return expiry in self.in_month(exchange, underlying, kind, expiry.year, expiry.month)


def _days(listed: Iterable[ListedExpiry]) -> tuple[date, ...]:
    return tuple(sorted({entry.expiry for entry in listed}))


def _monthly_days(exchange: str, listed: set[ListedExpiry]) -> tuple[date, ...]:
    marked = _days(entry for entry in listed if entry.is_monthly)
    if marked:
        return marked
    weekly = {entry.expiry for entry in listed if entry.is_monthly is False}
    unmarked = tuple(day for day in _days(listed) if day not in weekly)
    return unmarked[-1:] if exchange in LAST_IS_MONTHLY else unmarked
