"""A broker's dump that the gate refuses does not stop the others: what was published of it stays.

As for a broker that is down; see decision 15.
"""

from __future__ import annotations

from typing import Final

import psycopg

from loader.errors import DumpRefused
from warehouse.intake import land_stand_in
from warehouse.sync_request import FeedLoad, SyncContext, SyncResult

# The report of the audit that refused, kept beside the one that follows.
REFUSED: Final = {"summary.html": "refused.html", "summary.json": "refused.json"}


def land_instead_of_refused(
    context: SyncContext, connection: psycopg.Connection, result: SyncResult
) -> bool:
    """Put the dumps of last time in the place of those that alone turned the gate red.

    Args:
        context: of the sync.
        connection: its own.
        result: with the red audit; its loads become what the next build is made from.

    Returns:
        Whether there is anything to build again: not where something else is red too, or where
        the dump of last time is what is refused.

    Raises:
        LoaderError: a dump of last time could not be landed.
    """
    audit = result.audit
    refused = audit.verdict.refused_feeds if audit else ()
    loads = dict(result.loads)
    if audit is None or not refused or any(_is_old(loads.get(name)) for name in refused):
        return False
    for name, kept in REFUSED.items():
        (audit.folder / name).replace(audit.folder / kept)
    page = audit.folder / REFUSED["summary.html"]
    context.run.update(report_path=str(page))
    for feed in context.feeds:
        if feed.name in refused:
            rules = [each.rule for each in audit.verdict.red_results if feed.name in each.refuses]
            error = DumpRefused(
                f"the gate refuses it: {', '.join(rules)}; read {page}",
                expected="a dump that the gate lets pass",
            )
            loads[feed.name] = land_stand_in(context, connection, feed, result.before, error)
    result.loads = loads
    result.audit = None
    return True


def _is_old(load: FeedLoad | None) -> bool:
    return load is None or load.is_stale
