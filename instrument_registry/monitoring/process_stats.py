"""Leave what this process counted in a file, when it ends or when it is asked to."""

from __future__ import annotations

import atexit
import logging
from pathlib import Path

from instrument_registry import clock
from instrument_registry.errors import SettingRefused, shown
from instrument_registry.monitoring import counting as monitoring
from instrument_registry.monitoring import stats_files
from instrument_registry.settings import read_settings

_log = logging.getLogger(__name__)
_begun = clock.now()
_leaving: set[Path] = set()


def write_stats(path: Path | str | None = None) -> Path:
    """Leave what this process counted so far, as JSON, for `migration_status` to sum up.

    With REGISTRY_STATS_DIR set a process does so when it ends. One that is killed does not, nor
    does a child of multiprocessing; and one that runs all day is not seen before the evening:
    call this every now and then.

    Args:
        path: the file; one of this process in REGISTRY_STATS_DIR if not given. It is replaced.

    Returns:
        The file.

    Raises:
        SettingRefused: no path, and REGISTRY_STATS_DIR is not set; or it cannot be written.
    """
    if path is None:
        folder = read_settings().stats_folder
        if folder is None:
            raise SettingRefused("REGISTRY_STATS_DIR is not set; set it, or give a path")
        path = own_path(folder)
    target = Path(path)
    stats_files.write(target, monitoring.lookup_counts(), _begun, clock.now())
    return target


def own_path(folder: Path) -> Path:
    """The file of this process in a folder; it need not be there."""
    return stats_files.path_in(folder, _begun)


def leave_at_exit(folder: Path) -> None:
    """Leave a file in a folder when the process ends."""
    there = folder.absolute()
    if there not in _leaving:
        _leaving.add(there)
        atexit.register(_leave, there)


def _leave(folder: Path) -> None:
    counts = monitoring.lookup_counts()
    if not counts:
        return
    try:
        stats_files.write(own_path(folder), counts, _begun, clock.now())
    except SettingRefused as error:
        _log.warning("stats_not_left reason=%s", shown(str(error)))
