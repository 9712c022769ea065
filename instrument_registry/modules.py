"""Which registry a module gets, by its name and the flags."""

from __future__ import annotations

from typing import Final

from instrument_registry.factory import forget_registries, get_registry, make_registry
from instrument_registry.flags import FeatureFlags, read_flags
from instrument_registry.monitoring.counting import reset_registry_stats, set_monitoring
from instrument_registry.records import RegistryType
from instrument_registry.registry import Registry
from instrument_registry.settings import read_settings

# In this order: an `order_scanner` manages orders. What must see everything to be safe is first.
_PARTS: Final = (
    (("order", "executor"), "use_intraday_focus_for_executor"),
    (("scanner", "data_pipeline"), "use_intraday_focus_for_scanner"),
    (("pattern", "detector"), "use_intraday_focus_for_patterns"),
    (("alert", "builder"), "use_intraday_focus_for_alerts"),
)

# The modules that the old overview names, by the parts of a name, in the order above.
_MODULES: Final = (
    (("order", "executor"), "order_manager"),
    (("data_pipeline",), "data_pipeline"),
    (("scanner",), "scanner"),
    (("pattern", "detector"), "pattern_detector"),
    (("alert", "builder"), "alert_builder"),
)
MODULES: Final = ("scanner", "data_pipeline", "pattern_detector", "order_manager", "alert_builder")
"""The modules that there are flags for."""


def module_of(name: str) -> str | None:
    """Which of `MODULES` a name, or a path, belongs to; the parts of it decide, in any case."""
    lower = name.lower()
    return next((one for parts, one in _MODULES if any(part in lower for part in parts)), None)


def registry_type_for(module_name: str, flags: FeatureFlags) -> RegistryType:
    """The type of registry that a module gets; the parts of its name decide, in any case."""
    name = module_name.lower()
    for parts, flag in _PARTS:
        if any(part in name for part in parts):
            if flag == "use_intraday_focus_for_executor" and flags.use_comprehensive_for_orders:
                return RegistryType.COMPREHENSIVE
            return (
                RegistryType.INTRADAY_FOCUS if getattr(flags, flag) else RegistryType.COMPREHENSIVE
            )
    return RegistryType.COMPREHENSIVE


def get_registry_for_module(
    module_name: str,
    force_type: RegistryType | str | None = None,
    enable_monitoring: bool | None = None,  # noqa: FBT001 - the agreed signature
) -> Registry:
    """The registry for a module.

    Args:
        module_name: matched by part: order or executor, scanner or data_pipeline, pattern or
            detector, alert or builder; any other gets every instrument.
        force_type: this type, whatever the flags say.
        enable_monitoring: whether `resolve_symbol_with_monitoring` counts; the flag if None.

    Raises:
        FlagRefused: a flag that does not exist, or a value that it cannot take.
        RegistryUnavailable, RegistryStale: as `get_registry`.
    """
    settings = read_settings()
    flags = read_flags(settings)
    kind = registry_type_for(module_name, flags) if force_type is None else RegistryType(force_type)
    if flags.enable_registry_caching:
        registry = get_registry(kind)
    else:
        registry = make_registry(kind, settings, settings.max_age_seconds)
    wanted = flags.enable_performance_monitoring if enable_monitoring is None else enable_monitoring
    set_monitoring(module_name, is_wanted=wanted)
    return registry


def get_scanner_registry(force_intraday: bool = True) -> Registry:  # noqa: FBT001, FBT002 - agreed
    """The registry for scanners: the focus set, or what the flags say if it is not forced."""
    force = RegistryType.INTRADAY_FOCUS if force_intraday else None
    return get_registry_for_module("scanner", force_type=force)


def get_pattern_detector_registry() -> Registry:
    """The registry for pattern detectors."""
    return get_registry_for_module("pattern_detector")


def get_order_manager_registry() -> Registry:
    """The registry for order managers: the focus set, unless `use_comprehensive_for_orders`."""
    return get_registry_for_module("order_manager")


def get_alert_builder_registry() -> Registry:
    """The registry for alert builders."""
    return get_registry_for_module("alert_builder")


def clear_registry_cache() -> None:
    """Forget the shared registries and what was counted; the next call reads anew."""
    forget_registries()
    reset_registry_stats()
