"""What is known of a migration: flags, what can be read, who looked up, who reads what is old."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from instrument_registry.cleanup import manifest as manifests
from instrument_registry.errors import RegistryError
from instrument_registry.flags import FeatureFlags, FlagOrigin, read_flag_origins
from instrument_registry.migration.old_readers import (
    OldReader,
    SourceSearch,
    in_environment,
    in_sources,
)
from instrument_registry.modules import MODULES, registry_type_for
from instrument_registry.monitoring import process_stats, stats_files
from instrument_registry.monitoring.counting import lookup_counts
from instrument_registry.monitoring.lookup_counts import LookupCounts, summed
from instrument_registry.monitoring.stats_files import Gathered
from instrument_registry.records import Publication, RegistryType
from instrument_registry.settings import RegistrySettings
from instrument_registry.sources.loading import load, require_fresh


@dataclass(frozen=True, slots=True)
class Reading:
    """What a registry of one type would read right now.

    Attributes:
        publication: which, and from where; None if no source holds one.
        rows: how many.
        why_not: why a module would not get it; empty if it would.
    """

    publication: Publication | None
    rows: int
    why_not: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known.

    Attributes:
        flags: by name, each with who said so.
        types: the registry type of each of `MODULES`.
        readings: of each type that some module uses.
        counts: lookups of this process and of those that left figures, summed up.
        stats_folder: REGISTRY_STATS_DIR; None if it is not set.
        gathered: what the others left.
        variables: variables that point to old files.
        sources: what was found under the root; None without one.
    """

    flags: dict[str, FlagOrigin]
    types: dict[str, RegistryType]
    readings: dict[RegistryType, Reading]
    counts: tuple[LookupCounts, ...]
    stats_folder: Path | None
    gathered: Gathered
    variables: tuple[OldReader, ...]
    sources: SourceSearch | None


def gather(settings: RegistrySettings, now: datetime, root: Path | None = None) -> Facts:
    """Look everywhere; nothing is changed.

    Args:
        settings: where to look.
        now: the instant to which ages are measured.
        root: of `cleanup.tree.root_of`; None not to look for source files.

    Raises:
        FlagRefused, SettingRefused: a flag or setting that cannot be read.
        RootRefused: the root cannot be listed.
    """
    flags = read_flag_origins(settings)
    known = FeatureFlags(**{name: one.value for name, one in flags.items()})
    types = {module: registry_type_for(module, known) for module in MODULES}
    folder = settings.stats_folder
    others = Gathered()
    if folder is not None:
        others = stats_files.gather(folder, now, without=process_stats.own_path(folder))
    manifest = manifests.built_in()
    return Facts(
        flags=flags,
        types=types,
        readings={kind: _reading(kind, settings, now) for kind in _used(types.values())},
        counts=summed((*lookup_counts(), *others.counts)),
        stats_folder=folder,
        gathered=others,
        variables=in_environment(settings.environment, settings.env_file, manifest),
        sources=None if root is None else in_sources(root, manifest),
    )


def _used(kinds: Iterable[RegistryType]) -> tuple[RegistryType, ...]:
    there = set(kinds)
    return tuple(kind for kind in RegistryType if kind in there)


def _reading(kind: RegistryType, settings: RegistrySettings, now: datetime) -> Reading:
    try:
        contents = load(kind, settings, now, None)
    except RegistryError as error:
        return Reading(None, 0, str(error))
    told, rows = contents.publication, contents.rows
    try:
        require_fresh(told, now, settings.max_age_seconds)
    except RegistryError as error:
        return Reading(told, rows, str(error))
    return Reading(told, rows, "")
