"""What trading modules import: the instruments of the warehouse, under every broker's spelling.

    from instrument_registry import get_registry
    get_registry().resolve_for_broker("NIFTY26NOV26450CE", "zerodha")

Importing it costs next to nothing: the standard library only, none of the other packages, and a
database's or Redis's client not before one is asked. See docs/registry.md.
"""

from instrument_registry.factory import get_registry
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
    "get_registry",
]
