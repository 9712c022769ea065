"""One registry a type and process: made when first asked for, the same for every thread."""

from __future__ import annotations

import threading
from datetime import date
from functools import partial

from instrument_registry import clock
from instrument_registry.errors import RegistryStale
from instrument_registry.records import RegistryType
from instrument_registry.registry import Registry
from instrument_registry.settings import RegistrySettings, read_settings
from instrument_registry.sources.loading import load, require_fresh

_made: dict[RegistryType, tuple[Registry, float | None]] = {}
_lock = threading.Lock()
_from_settings = object()


def get_registry(
    registry_type: RegistryType | str = RegistryType.COMPREHENSIVE,
    *,
    max_age_hours: float | object | None = _from_settings,
    settings: RegistrySettings | None = None,
) -> Registry:
    """The registry of a type.

    Threads that ask at once wait for one load, and get the same registry. How old its publication
    is, is asked at every call, and one that has grown too old is read anew;
    `instrument_registry.watch` does so with each publication.

    Args:
        registry_type: what it holds.
        max_age_hours: how old the publication may be; None for any age. What
            REGISTRY_MAX_AGE_HOURS says if not given.
        settings: where to look; what the environment says if not given.

    Raises:
        RegistryUnavailable: no source holds a publication.
        RegistryStale: it is older than allowed.
        SettingRefused: an environment variable cannot be read.
        ValueError: there is no such type.
    """
    kind = RegistryType(registry_type)
    found = _made.get(kind)
    if found is not None and settings is None and max_age_hours is _from_settings:
        registry, limit = found
    else:
        settings = settings or read_settings()
        limit = _limit(max_age_hours, settings)
        registry = _one_registry(kind, settings, limit)
    try:
        require_fresh(registry.publication, clock.now(), limit)
    except RegistryStale:
        # Nobody watches: there may be a newer publication by now.
        contents = load(kind, settings or read_settings(), clock.now(), limit)
        registry.show(contents)
    return registry


def _one_registry(kind: RegistryType, settings: RegistrySettings, limit: float | None) -> Registry:
    with _lock:
        found = _made.get(kind)
        if found is not None:
            return found[0]
        registry = make_registry(kind, settings, limit)
        # What one caller allows is nothing to the next one: theirs is what the settings say.
        _made[kind] = registry, settings.max_age_seconds
        return registry


def make_registry(
    kind: RegistryType, settings: RegistrySettings, max_age_seconds: float | None
) -> Registry:
    """A registry of its own, shared with nobody.

    Raises:
        RegistryUnavailable, RegistryStale: as `get_registry`.
    """
    contents = load(kind, settings, clock.now(), max_age_seconds)
    as_of = settings.as_of
    return Registry(contents, kind, clock.today if as_of is None else partial(_same, as_of))


def made_registries() -> tuple[Registry, ...]:
    """Those that were asked for so far."""
    return tuple(registry for registry, _ in _made.values())


def forget_registries() -> None:
    """Forget them all; whoever holds one keeps it as it is."""
    with _lock:
        _made.clear()


def _same(day: date) -> date:
    return day


def _limit(max_age_hours: object, settings: RegistrySettings) -> float | None:
    if max_age_hours is _from_settings:
        return settings.max_age_seconds
    if max_age_hours is None:
        return None
    if not isinstance(max_age_hours, int | float) or max_age_hours <= 0:
        raise ValueError(f"max_age_hours is {max_age_hours!r}; expected a number above 0, or None")
    return float(max_age_hours) * 3600
