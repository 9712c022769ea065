"""The registry under the names that older programs import: see docs/registry.md, "Older programs".

`shared_core.instrument_token.registry_helper` becomes `instrument_registry.registry_helper`, and
nothing else changes. New programs import these names from `instrument_registry` itself.
"""

from __future__ import annotations

from typing import Any

from instrument_registry.factory import made_registries
from instrument_registry.modules import (
    clear_registry_cache,
    get_alert_builder_registry,
    get_order_manager_registry,
    get_pattern_detector_registry,
    get_registry_for_module,
    get_scanner_registry,
)
from instrument_registry.monitoring import counting as monitoring
from instrument_registry.monitoring.counting import resolve_symbol_with_monitoring
from instrument_registry.registry_config import get_performance_metrics

__all__ = [
    "clear_registry_cache",
    "get_alert_builder_registry",
    "get_order_manager_registry",
    "get_pattern_detector_registry",
    "get_registry_for_module",
    "get_registry_stats",
    "get_scanner_registry",
    "resolve_symbol_with_monitoring",
]


def get_registry_stats() -> dict[str, Any]:
    """`instrument_registry.get_registry_stats`, and what older programs read besides.

    Returns:
        The same; `performance_metrics` as `registry_config.get_performance_metrics` has it, and
        `cached_registries` (their types) and `cache_size`.
    """
    cached = [registry.registry_type for registry in made_registries()]
    return monitoring.get_registry_stats() | {
        "performance_metrics": get_performance_metrics(),
        "cached_registries": cached,
        "cache_size": len(cached),
    }
