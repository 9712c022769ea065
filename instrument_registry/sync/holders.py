"""What each holder holds, compared with what it should: registry, table, files, snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from instrument_registry import factory
from instrument_registry.errors import RegistryError, RegistryUnavailable, shown
from instrument_registry.records import Publication, RegistryType
from instrument_registry.sources import snapshot
from instrument_registry.sources.loading import load
from instrument_registry.sync.comparison import (
    Difference,
    Differences,
    HolderReport,
    HolderState,
    compare,
    why_outdated,
)
from instrument_registry.sync.focus_rows import (
    KITE,
    FocusRow,
    listings_of,
    rows_of_contents,
    shown_by,
)
from instrument_registry.sync.reference import TABLE, Reference
from instrument_registry.sync.settings import MonitorSettings

LISTINGS: Final = "listings"
CONTRACTS: Final = "contracts"

Holder = Callable[[Reference, MonitorSettings, datetime], HolderReport]


def focus_registry(reference: Reference, settings: MonitorSettings, now: datetime) -> HolderReport:
    """The INTRADAY_FOCUS registry that this process's modules have; a new one if they have none."""
    name, expected = "focus_registry", _count(reference)
    made = [
        registry
        for registry in factory.made_registries()
        if registry.registry_type is RegistryType.INTRADAY_FOCUS
    ]
    if made:
        where = "this process's INTRADAY_FOCUS registry"
        told, every = shown_by(made[0])
        rows = list(every)
    else:
        where = "INTRADAY_FOCUS, loaded for this check"
        limit = settings.registry.max_age_seconds
        try:
            contents = load(RegistryType.INTRADAY_FOCUS, settings.registry, now, limit)
        except RegistryError as error:
            return _unreadable(name, where, LISTINGS, expected, str(error))
        rows, told = list(rows_of_contents(contents, ("",))), contents.publication
    return _of_rows(name, f"{where}, from {told.source}", rows, told, reference)


def registry_snapshot(reference: Reference, settings: MonitorSettings, _: datetime) -> HolderReport:
    """The focus set of the snapshot file."""
    name, path = "registry_snapshot", settings.registry.snapshot_file
    if not _is_there(path):
        return _absent(name, path, LISTINGS, _count(reference), "REGISTRY_SNAPSHOT_FILE")
    try:
        contents = snapshot.read(path, RegistryType.INTRADAY_FOCUS)
    except RegistryUnavailable as error:
        return _unreadable(name, str(path), LISTINGS, _count(reference), str(error))
    rows = list(rows_of_contents(contents, ("",)))
    return _of_rows(name, str(path), rows, contents.publication, reference)


def _of_rows(
    name: str, where: str, rows: list[FocusRow], told: Publication, reference: Reference
) -> HolderReport:
    return HolderReport(
        name, where, LISTINGS, _count(reference), len(rows),
        compare(reference.listings, listings_of(rows)), told.number, told.as_of_date,
        why_outdated(told, reference.publication),
    )  # fmt: skip


def published_table(reference: Reference, _: MonitorSettings, __: datetime) -> HolderReport:
    """`marts.focus_instruments`: Kite's listing of each contract, and the money it was chosen by.

    Whether it is outdated is not asked: it is changed in the transaction of each publication.
    """
    name, table = "published_table", reference.table
    expected = reference.of_broker(KITE)
    if table.failure is not None:
        return HolderReport(
            name, TABLE, CONTRACTS, len(expected), failure=table.failure, reason=table.reason
        )
    found = compare(expected, listings_of(one.row for one in table.rows))
    money = {one.underlying: (one.money, one.money_source) for one in reference.focus.chosen}
    wrong_money = tuple(
        Difference(
            one.row.canonical_id, KITE,
            f"chosen by {one.price} ({one.source}); the money is {money[one.underlying][0]}",
        )
        for one in table.rows
        if one.row.canonical_id in reference.focus.ids
        and one.underlying in money
        and (one.price, one.source or "") != money[one.underlying]
    )  # fmt: skip
    differences = Differences(
        found.missing, found.surplus, tuple(sorted((*found.stale, *wrong_money)))
    )
    told = reference.publication
    return HolderReport(
        name, TABLE, CONTRACTS, len(expected), len(table.rows), differences,
        told.number, told.as_of_date,
    )  # fmt: skip


class FileRefused(Exception):
    """A file that is there, and is not what its name says."""


def read_json_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
        FileRefused: it cannot be read, is torn, or holds something else.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise FileRefused(f"it cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise FileRefused(
            f"line {error.lineno}, column {error.colno}: {error.msg}; it is torn, or no JSON"
        ) from error
    except (ValueError, RecursionError) as error:
        raise FileRefused(f"it is no JSON in UTF-8 ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise FileRefused(f"it holds {shown(type(found).__name__)}; expected an object")
    return found


def of_file(
    name: str, path: Path, unit: str, *, expected: int, setting: str,
    examine: Callable[[dict[str, Any]], HolderReport],
) -> HolderReport:  # fmt: skip
    """The report on a JSON file: what is examined of it, or why it cannot be.

    Args:
        name: of the holder.
        path: the file.
        unit: what is counted.
        expected: how many of them it should hold.
        setting: what says where the file is.
        examine: given its object; it may raise FileRefused.
    """
    if not _is_there(path):
        return _absent(name, path, unit, expected, setting)
    try:
        return examine(read_json_object(path))
    except FileRefused as error:
        return _unreadable(name, str(path), unit, expected, f"{path}: {error}")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # A folder on the way cannot be looked into: reading says why.
        return True


def _absent(name: str, path: Path, unit: str, expected: int, setting: str) -> HolderReport:
    return HolderReport(
        name, str(path), unit, expected, failure=HolderState.ABSENT,
        reason=f"{path} does not exist; {setting} says where it is, if elsewhere",
    )  # fmt: skip


def _unreadable(name: str, where: str, unit: str, expected: int, reason: str) -> HolderReport:
    return HolderReport(name, where, unit, expected, failure=HolderState.UNREADABLE, reason=reason)


def _count(reference: Reference) -> int:
    return sum(map(len, reference.listings.values()))
