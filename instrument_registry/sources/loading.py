"""Where a registry comes from: the database, else the local snapshot, else Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from instrument_registry.errors import RegistryStale, RegistryUnavailable
from instrument_registry.records import Publication, RegistryType
from instrument_registry.settings import RegistrySettings
from instrument_registry.sources.contents import Contents

_HOUR = 3600


def load(
    registry_type: RegistryType,
    settings: RegistrySettings,
    now: datetime,
    max_age_seconds: float | None,
) -> Contents:
    """The last publication, from the first source that holds one.

    Args:
        registry_type: what is wanted of it.
        settings: where to look.
        now: the instant to which its age is measured.
        max_age_seconds: how old it may be; None for any age.

    Returns:
        The contents; their publication says the source, and why others were passed over.

    Raises:
        RegistryUnavailable: no source holds one; the message has a reason a source.
        RegistryStale: the first that does is too old, or does not say how old it is.
    """
    reasons: list[str] = []
    for read in _sources(registry_type, settings, reasons):
        try:
            contents = read()
        except RegistryUnavailable as error:
            reasons.append(str(error))
            continue
        told = replace(contents.publication, passed_over=tuple(reasons))
        require_fresh(told, now, max_age_seconds)
        return replace(contents, publication=told)
    raise RegistryUnavailable(
        "no publication to look instruments up in: " + "; ".join(reasons)
        + ". Set DATABASE_URL, or have a snapshot written after each publication"
    )  # fmt: skip


def require_fresh(told: Publication, now: datetime, max_age_seconds: float | None) -> None:
    """Refuse what is older than allowed.

    Raises:
        RegistryStale: it is, or nobody knows.
    """
    age = told.age_seconds(now)
    if max_age_seconds is None or (age is not None and age <= max_age_seconds):
        return
    found = "of unknown age" if age is None else f"{age / _HOUR:.1f} hours old"
    raise RegistryStale(
        f"publication {told.number} from {told.source} is {found}; allowed are "
        f"{max_age_seconds / _HOUR:g} hours. Run `warehouse sync`, or allow more with "
        "max_age_hours or REGISTRY_MAX_AGE_HOURS (`unlimited` for any)",
        age, max_age_seconds,
    )  # fmt: skip


def _sources(
    registry_type: RegistryType, settings: RegistrySettings, reasons: list[str]
) -> Iterator[Callable[[], Contents]]:
    # Each is imported when it is its turn, which for most is never.
    database_url = settings.database_url
    if database_url is None:
        reasons.append(settings.no_database)
    else:
        from instrument_registry.sources import postgres  # noqa: PLC0415

        yield lambda: postgres.read_contents(database_url, registry_type)
    from instrument_registry.sources import snapshot  # noqa: PLC0415

    yield lambda: snapshot.read(settings.snapshot_file, registry_type)
    redis_url = settings.redis_url
    if redis_url is None:
        reasons.append(settings.no_redis)
    else:
        from instrument_registry.sources import redis_hashes  # noqa: PLC0415

        yield lambda: redis_hashes.read_contents(redis_url, registry_type)
