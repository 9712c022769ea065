"""What runs leave behind for people, pruned: reports and logs (dbt is told to write none).

A run's id begins with its day (UTC). The newest so many days *with runs* are kept, whatever the
machine's clock says today, so that neither holidays nor a clock that jumped empty the folders.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Collection
from pathlib import Path

import psycopg

from warehouse.settings import Settings

_RUN = re.compile(r"(\d{8})T\d{6}-[0-9a-f]{6}")

log = logging.getLogger(__name__)


def shown_runs(connection: psycopg.Connection) -> frozenset[str]:
    """The run that made what consumers see; after a rollback, that of what was put back too."""
    rows = connection.execute(
        """
        with recursive shown as (
            (
                select run_id, rollback_of from ops.publications
                order by publication_id desc
                limit 1
            )
            union all
            select p.run_id, p.rollback_of
            from shown as s
            inner join ops.publications as p on p.publication_id = s.rollback_of
        )

        select run_id from shown where run_id is not null
        """
    ).fetchall()
    return frozenset(run_id for (run_id,) in rows)


def prune_runs(settings: Settings, keep: Collection[str]) -> int:
    """Delete the reports and logs of all but the newest REPORTS_KEEP_DAYS days with runs.

    What is no run's is left alone. What cannot be deleted is told in the log, and tried again by
    the next run.

    Args:
        settings: which folders, and how many days.
        keep: ids of runs whose report and log stay in any case.

    Returns:
        How many reports and files were deleted.
    """
    found = {
        path: run
        for path in (*settings.reports.glob("*"), *settings.logs.glob("*.log"))
        if (run := _RUN.fullmatch(path.name.removesuffix(".log")))
    }
    days = sorted({run[1] for run in found.values()}, reverse=True)
    kept = set(days[: settings.reports_keep_days])
    old = [path for path, run in found.items() if run[1] not in kept and run[0] not in keep]
    return sum(_is_deleted(path) for path in old)


def _is_deleted(path: Path) -> bool:
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        log.warning("event=not_pruned path=%s error=%r", path, str(error))
        return False
    return True
