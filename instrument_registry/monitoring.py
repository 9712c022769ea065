"""How many lookups, by whom, how quick, how many in vain.

Averages and maxima are over all lookups, percentiles over the last ones of each module.

Counting must not cost more than the lookup that is counted: a lookup adds to a few numbers of its
thread's own module record, without a lock. What two threads add to one record in the same instant
may count once; that is the price, and nothing but these figures pays it.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any, Final

from instrument_registry.factory import made_registries
from instrument_registry.flags import read_flags
from instrument_registry.records import BrokerInstrument, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.settings import read_settings

WINDOW: Final = 1024
"""How many of the last lookups of a module the percentiles are over; a power of two."""
_MILLISECOND: Final = 1e6


class _Record:
    """The lookups of one module in registries of one type."""

    __slots__ = ("hits", "last", "longest", "misses", "nanoseconds")

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.nanoseconds = 0
        self.longest = 0
        self.last = array("q", bytes(8 * WINDOW))

    def add(self, took: int, *, hit: bool) -> None:
        """Count a lookup that took so many nanoseconds."""
        self.last[(self.hits + self.misses) & (WINDOW - 1)] = took
        if hit:
            self.hits += 1
        else:
            self.misses += 1
        self.nanoseconds += took
        self.longest = max(self.longest, took)

    def window(self) -> list[int]:
        """The last lookups."""
        return self.last[: min(self.hits + self.misses, WINDOW)].tolist()


_Key = tuple[str, RegistryType]
_records: dict[_Key, _Record] = {}
# Where the next lookup is counted; None where it is not. Decided at the first one.
_counting: dict[_Key, _Record | None] = {}
_told: dict[str, bool] = {}


def set_monitoring(module_name: str, *, is_wanted: bool) -> None:
    """Count the lookups of a module from now on, or do not."""
    _told[module_name] = is_wanted
    for key in [key for key in _counting if key[0] == module_name]:
        _counting.pop(key, None)


def resolve_symbol_with_monitoring(
    registry: Registry, symbol: str, broker: str, module_name: str = "unknown"
) -> BrokerInstrument | None:
    """`registry.resolve_for_broker(symbol, broker)`, counted and timed under a module's name.

    A lookup that raises is a miss. Nothing is counted for a module that was told so by
    `get_registry_for_module(..., enable_monitoring=False)`, or if the flag
    `enable_performance_monitoring` says so and the module was told nothing.

    Raises:
        UnknownBroker: there is no such broker.
    """
    key = (module_name, registry.registry_type)
    try:
        record = _counting[key]
    except KeyError:
        record = _decide(key)
    if record is None:
        return registry.resolve_for_broker(symbol, broker)
    found: BrokerInstrument | None = None
    begun = perf_counter_ns()
    try:
        found = registry.resolve_for_broker(symbol, broker)
    finally:
        record.add(perf_counter_ns() - begun, hit=found is not None)
    return found


def _decide(key: _Key) -> _Record | None:
    is_wanted = _told.get(key[0])
    if is_wanted is None:
        is_wanted = read_flags(read_settings()).enable_performance_monitoring
    # Two threads may both come here first: they get the same record.
    _counting[key] = _records.setdefault(key, _Record()) if is_wanted else None
    return _counting[key]


def get_registry_stats() -> dict[str, Any]:
    """What was counted so far.

    Returns:
        `performance_metrics`: `total_lookups`, `hits`, `misses`, `hit_rate` (None before the
        first), and in milliseconds `avg_lookup_time_ms`, `p50_`, `p95_`, `p99_` and
        `max_lookup_time_ms`, all 0.0 before the first lookup.
        `by_module` and `by_registry_type`: the same, each for itself.
        `registries`: of each type made so far its rows, source, publication, as-of date.
    """
    records = dict(_records)
    modules = {name for name, _ in records}
    kinds = {kind for _, kind in records}
    return {
        "performance_metrics": _metrics(list(records.values())),
        "by_module": {
            name: _metrics([one for key, one in records.items() if key[0] == name])
            for name in sorted(modules)
        },
        "by_registry_type": {
            kind.value: _metrics([one for key, one in records.items() if key[1] == kind])
            for kind in sorted(kinds)
        },
        "registries": {one.registry_type.value: _described(one) for one in made_registries()},
    }


def reset_registry_stats() -> None:
    """Begin to count anew."""
    _records.clear()
    _counting.clear()


def _metrics(records: Sequence[_Record]) -> dict[str, float | int | None]:
    hits = sum(one.hits for one in records)
    misses = sum(one.misses for one in records)
    total = hits + misses
    nanoseconds = sum(one.nanoseconds for one in records)
    window = sorted(took for one in records for took in one.window())
    return {
        "total_lookups": total,
        "hits": hits,
        "misses": misses,
        "hit_rate": hits / total if total else None,
        "avg_lookup_time_ms": nanoseconds / total / _MILLISECOND if total else 0.0,
        "p50_lookup_time_ms": _percentile(window, 50),
        "p95_lookup_time_ms": _percentile(window, 95),
        "p99_lookup_time_ms": _percentile(window, 99),
        "max_lookup_time_ms": max((one.longest for one in records), default=0) / _MILLISECOND,
    }


def _percentile(ascending: Sequence[int], percent: int) -> float:
    """The nearest-rank percentile, in milliseconds."""
    if not ascending:
        return 0.0
    rank = max(0, -(-percent * len(ascending) // 100) - 1)
    return ascending[rank] / _MILLISECOND


def _described(registry: Registry) -> Mapping[str, Any]:
    told = registry.publication
    return {
        "rows": len(registry),
        "brokers": registry.brokers,
        "source": told.source,
        "publication": told.number,
        "published_at": told.published_at,
        "as_of_date": told.as_of_date,
        "stale_brokers": told.stale_brokers,
    }
