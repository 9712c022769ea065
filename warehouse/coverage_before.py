"""What was matched of each broker in the publication before the last one."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg.rows import dict_row

from expectations.coverage import matched_parts
from warehouse.publications import LastPublication

COVERAGE: Final = "broker_coverage"

# The rows that the last publication left alone, and those that it changed or removed as they were.
_BEFORE: Final = """
with undo as (
    select key, change, before
    from history.publication_changes
    where publication_id = %(publication_id)s and table_name = %(table)s
),

rows as (
    select now.feed, now.exchange, now.status, now.covered_rows
    from marts.broker_coverage as now
    where not exists (
        select from undo
        where undo.key = jsonb_build_object(
            'feed', now.feed, 'exchange', now.exchange, 'kind', now.kind, 'status', now.status,
            'reason', now.reason
        )
    )
    union all
    select former.feed, former.exchange, former.status, former.covered_rows
    from undo
    cross join lateral jsonb_populate_record(null::marts.broker_coverage, undo.before) as former
    where undo.change <> 'added'
)

select feed, exchange, status, sum(covered_rows)::bigint as rows
from rows
group by feed, exchange, status
"""


def read_matched_before(
    connection: psycopg.Connection, publication: LastPublication
) -> dict[str, dict[str, float]]:
    """The matched part by feed and exchange (of all under an empty name) before a publication.

    Returns:
        Empty where that cannot be told: it was the first, or what it changed was forgotten.
    """
    summary = publication.summary
    table = summary.get("tables", {}).get(COVERAGE)
    if table is None or table["was_empty"] or summary.get("undo") == "pruned":
        return {}
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_BEFORE, {"publication_id": publication.publication_id, "table": COVERAGE})
        return matched_parts(cursor.fetchall())
