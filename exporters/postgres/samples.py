"""A few readable lines of what a difference changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql

from exporters.destination import SAMPLE_LINES
from exporters.postgres import rows
from exporters.postgres.catalog import Relation
from exporters.postgres.session import Cursor

# A limit each, so that a few index look-ups find the rows.
_SAMPLES = sql.SQL("""
select few._difference, {key}, to_jsonb(m), to_jsonb(c)
from (
    (select * from {plan} as p where p._difference = 'added' order by {order} limit {lines})
    union all
    (select * from {plan} as p where p._difference = 'changed' order by {order} limit {lines})
    union all
    (select * from {plan} as p where p._difference = 'removed' order by {order} limit {lines})
) as few
left join {published} as m on {published_key}
left join {candidate} as c on {candidate_key}
order by few._difference, {few_order}
""")


def sample_rows(
    cursor: Cursor, candidate: Relation, published: Relation, plan: sql.Identifier
) -> dict[str, tuple[str, ...]]:
    """Lines by kind of change, from the temporary table of keys, before it is applied."""
    cursor.execute(
        _SAMPLES.format(
            key=rows.key_object(published.key, "few"),
            order=rows.columns(published.key, "p"),
            few_order=rows.columns(published.key, "few"),
            lines=sql.Literal(SAMPLE_LINES),
            plan=plan,
            published=published.identifier,
            candidate=candidate.identifier,
            published_key=rows.same_key(published.key, "few", "m"),
            candidate_key=rows.same_key(published.key, "few", "c"),
        )
    )
    return _sample_lines(cursor.fetchall())


def told_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What differs between two rows: `lot_size 75 -> 65, name A -> B`, each value cut."""
    return ", ".join(
        f"{name} {str(before.get(name))[:40]} -> {str(after.get(name))[:40]}"
        for name in after
        if before.get(name) != after.get(name)
    )


def _sample_lines(found: Iterable[tuple[Any, ...]]) -> dict[str, tuple[str, ...]]:
    """Readable lines by kind of change, of (change, key, old row, new row)."""
    samples: dict[str, tuple[str, ...]] = {}
    for change, key, before, after in found:
        line = " ".join(str(part) for part in key.values())[:80]
        if change == "changed":
            line += ": " + told_changes(before, after)
        samples[change] = (*samples.get(change, ()), line)
    return samples
