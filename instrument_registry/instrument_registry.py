"""The service under the names that older programs import: see docs/registry.md, "Older programs".

`shared_core.instrument_token.instrument_registry` becomes this module. New programs import from
`instrument_registry` itself.

    RegistryType                       the same
    EnhancedInstrumentService          the class of every registry: `instrument_registry.Registry`
    get_enhanced_instrument_service    `instrument_registry.get_registry`
    get_unified_registry               `get_registry().registry`: objects in the place of dicts
    UnifiedInstrumentRegistry, UnifiedInstrument
                                       what that is, and what it answers
    RegistrySynchronizer               what brings the focus set's readers to the publication
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from instrument_registry.factory import get_registry as get_enhanced_instrument_service
    from instrument_registry.older.shapes import UnifiedInstrument, UnifiedInstrumentRegistry
    from instrument_registry.records import RegistryType
    from instrument_registry.registry import Registry as EnhancedInstrumentService
    from instrument_registry.registry_factory import (
        get_comprehensive_registry,
        get_intraday_focus_registry,
    )
    from instrument_registry.sync.synchronizer import RegistrySynchronizer

__all__ = [
    "EnhancedInstrumentService",
    "RegistrySynchronizer",
    "RegistryType",
    "UnifiedInstrument",
    "UnifiedInstrumentRegistry",
    "get_comprehensive_registry",
    "get_enhanced_instrument_service",
    "get_intraday_focus_registry",
    "get_unified_registry",
]

# Imported at the first use: who asks for a registry type does not wait for the synchronizer.
_FOUND_IN: Final = {
    "EnhancedInstrumentService": ("registry", "Registry"),
    "RegistrySynchronizer": ("sync.synchronizer", "RegistrySynchronizer"),
    "RegistryType": ("records", "RegistryType"),
    "UnifiedInstrument": ("older.shapes", "UnifiedInstrument"),
    "UnifiedInstrumentRegistry": ("older.shapes", "UnifiedInstrumentRegistry"),
    "get_comprehensive_registry": ("registry_factory", "get_comprehensive_registry"),
    "get_enhanced_instrument_service": ("factory", "get_registry"),
    "get_intraday_focus_registry": ("registry_factory", "get_intraday_focus_registry"),
}


def get_unified_registry() -> UnifiedInstrumentRegistry:
    """Every instrument, as objects with a list of listings a broker.

    Raises:
        RegistryUnavailable, RegistryStale: as `get_registry`.
    """
    from instrument_registry.factory import get_registry  # noqa: PLC0415 - see _FOUND_IN

    return get_registry().registry


def __getattr__(name: str) -> Any:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - at the first use of a name, not before

    module, original = _FOUND_IN[name]
    found = getattr(import_module(f"instrument_registry.{module}"), original)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _give_way() -> None:
    """Let the package be found where this module was taken for it.

    Run by its path (`python .../instrument_registry/migration_status.py`), a file has its own
    folder first on its path, and there this module is called as the package is.
    """
    from importlib import import_module  # noqa: PLC0415 - seldom needed
    from pathlib import Path  # noqa: PLC0415 - seldom needed

    here = Path(__file__).resolve().parent
    sys.path[:] = [str(here.parent) if Path(one).resolve() == here else one for one in sys.path]
    del sys.modules[__name__]
    sys.modules[__name__] = import_module(__name__)


if __name__ == "instrument_registry":
    _give_way()
