"""What trading modules import: the instruments of the warehouse, under every broker's spelling.

    from instrument_registry import get_registry
    get_registry().resolve_for_broker("NIFTY26NOV26450CE", "zerodha")

Importing it costs next to nothing: the standard library only, none of the other packages, and a
database's or Redis's client not before one is asked. See docs/registry.md.

Besides: `instrument_registry.symbols` reads and writes every broker's spelling,
`instrument_registry.errors` is what can go wrong, `instrument_registry.settings` what the
environment says. More of what lookups answer: `instrument_registry.lookups.explanation`,
`instrument_registry.lookups.contract_lookups`; what follows publications:
`instrument_registry.following.watching`, `instrument_registry.following.subscriptions`; figures:
`instrument_registry.monitoring.counting`; the local copy: `instrument_registry.sources.snapshot`.

Programs: `instrument_registry.registry_sync_monitor`, `instrument_registry.migration_status`,
`instrument_registry.cleanup_old_token_files`.

For older ones: `instrument_registry.registry_helper`, `instrument_registry.registry_config`,
`instrument_registry.registry_factory`, `instrument_registry.instrument_registry`,
`instrument_registry.older.shapes`, `instrument_registry.older.token_lookup`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from instrument_registry.factory import get_registry
    from instrument_registry.flags import get_registry_feature_flags, set_feature_flag
    from instrument_registry.following.subscriptions import active_tokens, watch_subscriptions
    from instrument_registry.following.watching import watch
    from instrument_registry.instrument_registry import (
        EnhancedInstrumentService as EnhancedInstrumentService,
    )
    from instrument_registry.instrument_registry import (
        UnifiedInstrumentRegistry as UnifiedInstrumentRegistry,
    )
    from instrument_registry.instrument_registry import (
        get_enhanced_instrument_service as get_enhanced_instrument_service,
    )
    from instrument_registry.instrument_registry import (
        get_unified_registry as get_unified_registry,
    )
    from instrument_registry.modules import (
        clear_registry_cache,
        get_alert_builder_registry,
        get_order_manager_registry,
        get_pattern_detector_registry,
        get_registry_for_module,
        get_scanner_registry,
    )
    from instrument_registry.monitoring.counting import (
        get_registry_stats,
        prometheus_text,
        resolve_symbol_with_monitoring,
    )
    from instrument_registry.monitoring.process_stats import write_stats
    from instrument_registry.older.token_lookup import (
        get_token_lookup_path as get_token_lookup_path,
    )
    from instrument_registry.older.token_lookup import (
        load_token_lookup as load_token_lookup,
    )
    from instrument_registry.records import (
        BrokerInstrument,
        BrokerRow,
        Instrument,
        Publication,
        RegistryType,
    )
    from instrument_registry.registry import Registry

__all__ = [
    "BrokerInstrument",
    "BrokerRow",
    "Instrument",
    "Publication",
    "Registry",
    "RegistryType",
    "active_tokens",
    "clear_registry_cache",
    "get_alert_builder_registry",
    "get_order_manager_registry",
    "get_pattern_detector_registry",
    "get_registry",
    "get_registry_feature_flags",
    "get_registry_for_module",
    "get_registry_stats",
    "get_scanner_registry",
    "prometheus_text",
    "resolve_symbol_with_monitoring",
    "set_feature_flag",
    "watch",
    "watch_subscriptions",
    "write_stats",
]

# Who reads symbols only does not wait for the rest, and who resolves not for what watches.
_MODULES: Final = {
    "factory": ("get_registry",),
    "flags": ("get_registry_feature_flags", "set_feature_flag"),
    "modules": (
        "clear_registry_cache", "get_alert_builder_registry", "get_order_manager_registry",
        "get_pattern_detector_registry", "get_registry_for_module", "get_scanner_registry",
    ),
    "monitoring.counting": (
        "get_registry_stats", "prometheus_text", "resolve_symbol_with_monitoring",
    ),
    "monitoring.process_stats": ("write_stats",),
    "records": ("BrokerInstrument", "BrokerRow", "Instrument", "Publication", "RegistryType"),
    "registry": ("Registry",),
    "following.subscriptions": ("active_tokens", "watch_subscriptions"),
    "following.watching": ("watch",),
    # What older programs import from here; see docs/registry.md.
    "instrument_registry": (
        "EnhancedInstrumentService", "UnifiedInstrumentRegistry",
        "get_enhanced_instrument_service", "get_unified_registry",
    ),
    "older.token_lookup": ("get_token_lookup_path", "load_token_lookup"),
}  # fmt: skip
_MODULE_OF: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - at the first use of a name, not before

    found = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
