"""Flags and figures under the names that older programs import: see docs/registry.md.

`shared_core.instrument_token.registry_config` becomes `instrument_registry.registry_config`. New
programs import from `instrument_registry` itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

from instrument_registry.flags import (
    FeatureFlags,
    get_registry_feature_flags,
    read_flags,
    set_feature_flag,
)
from instrument_registry.modules import registry_type_for
from instrument_registry.monitoring import counting as monitoring
from instrument_registry.monitoring.counting import reset_registry_stats
from instrument_registry.records import RegistryType
from instrument_registry.settings import read_settings

__all__ = [
    "REGISTRY_FEATURE_FLAGS",
    "get_performance_metrics",
    "get_registry_feature_flags",
    "get_registry_type_for_module",
    "record_lookup_metrics",
    "reset_performance_metrics",
    "set_feature_flag",
]

REGISTRY_FEATURE_FLAGS: Final[Mapping[str, bool]] = MappingProxyType(asdict(FeatureFlags()))
"""The flags' defaults. It cannot be changed: a flag that is set in one process's memory is seen by
no other, so an assignment is an error, and `set_feature_flag` or the environment is the way."""


def get_registry_type_for_module(module_name: str) -> RegistryType:
    """The type of registry that a module gets, as the flags stand now.

    Raises:
        FlagRefused: a flag that does not exist, or a value that it cannot take.
    """
    return registry_type_for(module_name, read_flags(read_settings()))


def get_performance_metrics() -> dict[str, Any]:
    """What was counted of all lookups.

    Returns:
        `performance_metrics` of `instrument_registry.get_registry_stats`, and under their older
        names `lookup_count`, `cache_hits` and `cache_misses` (lookups that found something, and
        that did not) and `cache_hit_rate` (0.0 before the first).
    """
    found: dict[str, Any] = dict(monitoring.get_registry_stats()["performance_metrics"])
    return found | {
        "lookup_count": found["total_lookups"],
        "cache_hits": found["hits"],
        "cache_misses": found["misses"],
        "cache_hit_rate": found["hit_rate"] or 0.0,
    }


def record_lookup_metrics(
    lookup_time: float,
    cache_hit: bool = False,  # noqa: FBT001, FBT002 - the older signature
) -> None:
    """Count a lookup that a program timed itself: of module `unknown`, in every instrument.

    Args:
        lookup_time: seconds.
        cache_hit: whether it found something.
    """
    monitoring.count_lookup("unknown", RegistryType.COMPREHENSIVE, lookup_time, hit=cache_hit)


def reset_performance_metrics() -> None:
    """Begin to count anew."""
    reset_registry_stats()
