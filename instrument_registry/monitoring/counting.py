"""How many lookups, by whom, how quick, how many in vain.

Averages and maxima are over all lookups, percentiles over the last ones of each module. A lookup
that takes REGISTRY_SLOW_LOOKUP_MS is logged as a warning, one a module and registry type in ten
seconds; the line says how many came since the one before.

Counting must not cost more than the lookup that is counted: a lookup adds to a few numbers of its
thread's own module record, without a lock. What two threads add to one record in the same instant
may count once; that is the price, and nothing but these figures pays it.
"""

from __future__ import annotations

import logging
import os
import sys
from array import array
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any, Final

from instrument_registry import clock
from instrument_registry.errors import shown
from instrument_registry.factory import made_registries
from instrument_registry.flags import read_flags
from instrument_registry.monitoring.lookup_counts import BUCKETS, LookupCounts
from instrument_registry.records import BrokerInstrument, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.settings import read_settings

WINDOW: Final = 1024
"""How many of the last lookups of a module the percentiles are over; a power of two."""
_MASK: Final = WINDOW - 1
_MILLISECOND: Final = 1e6
_QUIET_NS: Final = 10 * 10**9
_NEVER: Final = sys.maxsize
_LONGEST_SECONDS: Final = 10**9
_log = logging.getLogger(__name__)


class _Record:
    """The lookups of one module in registries of one type."""

    __slots__ = (
        "buckets", "hits", "last", "limit", "longest", "misses", "nanoseconds", "quiet_until",
        "slow", "untold",
    )  # fmt: skip

    def __init__(self, limit: int = _NEVER) -> None:
        self.hits = 0
        self.misses = 0
        self.nanoseconds = 0
        self.longest = 0
        self.last = array("q", bytes(8 * WINDOW))
        self.buckets = [0] * BUCKETS
        self.limit = limit
        self.slow = 0
        self.untold = 0
        self.quiet_until = 0

    def add(self, took: int, *, hit: bool) -> None:
        """Count a lookup that took so many nanoseconds."""
        self.last[(self.hits + self.misses) & _MASK] = took
        if hit:
            self.hits += 1
        else:
            self.misses += 1
        self.nanoseconds += took
        self.buckets[(took - 1).bit_length()] += 1
        if took > self.longest:  # noqa: PLR1730 - calling max costs a tenth of all this
            self.longest = took

    def window(self) -> list[int]:
        """The last lookups."""
        return self.last[: min(self.hits + self.misses, WINDOW)].tolist()

    def tell_slow(self, took: int, ended: int, key: _Key, symbol: object, broker: object) -> None:
        """Count a slow lookup; log it unless one was logged a moment ago."""
        self.slow += 1
        if ended < self.quiet_until:
            self.untold += 1
            return
        untold, self.untold = self.untold, 0
        self.quiet_until = ended + _QUIET_NS
        _log.warning(
            "slow_lookup symbol=%s broker=%s module=%s registry_type=%s took_ms=%.3f "
            "limit_ms=%g not_logged=%d",
            shown(symbol), shown(broker), shown(key[0]), key[1].value, took / _MILLISECOND,
            self.limit / _MILLISECOND, untold,
        )  # fmt: skip


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
        took = perf_counter_ns() - begun
        record.add(took, hit=found is not None)
        if took >= record.limit:
            record.tell_slow(took, begun + took, key, symbol, broker)
    return found


def count_lookup(
    module_name: str, registry_type: RegistryType, seconds: float, *, hit: bool
) -> None:
    """Count a lookup that a program timed itself, if its module's are counted."""
    key = (module_name, registry_type)
    record = _counting[key] if key in _counting else _decide(key)
    if record is not None:
        record.add(int(min(max(seconds, 0), _LONGEST_SECONDS) * 1e9), hit=hit)


def _decide(key: _Key) -> _Record | None:
    settings = read_settings()
    is_wanted = _told.get(key[0])
    if is_wanted is None:
        is_wanted = read_flags(settings).enable_performance_monitoring
    if not is_wanted:
        _counting[key] = None
        return None
    # Two threads may both come here first: they get the same record.
    record = _records.setdefault(key, _Record())
    slow = settings.slow_lookup_ms
    record.limit = _NEVER if slow is None else int(slow * _MILLISECOND)
    if settings.stats_folder is not None:
        from instrument_registry.monitoring import process_stats  # noqa: PLC0415 - few processes leave any

        process_stats.leave_at_exit(settings.stats_folder)
    _counting[key] = record
    return record


def lookup_counts() -> tuple[LookupCounts, ...]:
    """What was counted so far, a value a module and registry type."""
    return tuple(
        LookupCounts(
            module, kind.value, one.hits, one.misses, one.slow, one.nanoseconds, one.longest,
            tuple(one.buckets),
        )
        for (module, kind), one in sorted(dict(_records).items())
    )  # fmt: skip


def prometheus_text() -> str:
    """What was counted, and the registries made so far, in Prometheus' text format 0.0.4.

    Counters of lookups by module, registry type and result (`hit`, `miss`), a histogram of how
    long they took in seconds, gauges of each registry's publication, rows and age. Serve it with
    content type `text/plain; version=0.0.4; charset=utf-8`.
    """
    from instrument_registry.monitoring import prometheus  # noqa: PLC0415 - for those who ask

    seen = [prometheus.Shown.of(one, clock.now()) for one in made_registries()]
    return prometheus.exposition(lookup_counts(), seen)


def _count_anew_in_a_child() -> None:
    # What a process counted before it forked is its own to tell.
    reset_registry_stats()


os.register_at_fork(after_in_child=_count_anew_in_a_child)


def get_registry_stats() -> dict[str, Any]:
    """What was counted so far.

    Returns:
        `performance_metrics`: `total_lookups`, `hits`, `misses`, `slow_lookups`, `hit_rate` (None
        before the first), and in milliseconds `avg_lookup_time_ms`, `min_` (of the last ones),
        `p50_`, `p95_`, `p99_` and `max_lookup_time_ms`, all 0.0 before the first lookup.
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
        "slow_lookups": sum(one.slow for one in records),
        "hit_rate": hits / total if total else None,
        "avg_lookup_time_ms": nanoseconds / total / _MILLISECOND if total else 0.0,
        "min_lookup_time_ms": _percentile(window, 0),
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
