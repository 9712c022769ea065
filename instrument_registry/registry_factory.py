"""The registries under the names that older programs import: see docs/registry.md.

`shared_core.instrument_token.registry_factory` becomes `instrument_registry.registry_factory`. New
programs import `get_registry` from `instrument_registry` itself.
"""

from __future__ import annotations

from instrument_registry.factory import get_registry
from instrument_registry.records import RegistryType
from instrument_registry.registry import Registry

__all__ = [
    "RegistryType",
    "get_comprehensive_registry",
    "get_intraday_focus_registry",
    "get_registry",
]


def get_comprehensive_registry() -> Registry:
    """The registry of every instrument.

    Raises:
        RegistryUnavailable, RegistryStale: as `get_registry`.
    """
    return get_registry(RegistryType.COMPREHENSIVE)


def get_intraday_focus_registry() -> Registry:
    """The registry of the focus set.

    Raises:
        RegistryUnavailable, RegistryStale: as `get_registry`.
    """
    return get_registry(RegistryType.INTRADAY_FOCUS)
