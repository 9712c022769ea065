"""Bring `marts.*` and `public.instruments` to a content, inside a publication's transaction.

A publication of the candidate and a rollback differ in where the content comes from; from
here on they are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg import sql

from exporters.destination import Plan
from exporters.postgres.catalog import Relation, read_relations
from exporters.postgres.difference import (
    TableDifference,
    TableState,
    apply_difference,
    log_undo,
    plan_table,
    read_back,
)
from exporters.postgres.legacy_rows import (
    Legacy,
    apply_instruments,
    refuse_losses,
    verify_instruments,
)
from exporters.postgres.legacy_shape import ensure_instruments
from exporters.postgres.override_rules import Override
from exporters.postgres.request import (
    ACTIVE_SUBSCRIPTIONS,
    BROKER_INSTRUMENTS,
    EXP_INSTRUMENTS,
    PUBLISHED_SCHEMA,
)
from exporters.postgres.session import Cursor, Stopwatch


@dataclass(slots=True)
class Applied:
    """What a publication has done so far."""

    tables: dict[str, Plan] = field(default_factory=dict)
    differences: dict[str, TableDifference] = field(default_factory=dict)
    states: dict[str, TableState] = field(default_factory=dict)
    emptied_by_undo: set[str] = field(default_factory=set)
    instruments: Plan | None = None
    migrations: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)


def publish_table(
    cursor: Cursor, wanted: Relation, published: Relation, publication_id: int, applied: Applied
) -> None:
    """Plan, log, apply and read back one table of its final shape."""
    difference = plan_table(cursor, wanted, published, position=len(applied.tables))
    applied.tables[published.name] = difference.plan
    applied.differences[published.name] = difference
    if difference.was_empty:
        applied.emptied_by_undo.add(published.name)
    if not difference.plan.is_empty:
        log_undo(cursor, difference, publication_id)
        apply_difference(cursor, difference)
    applied.states[published.name] = read_back(cursor, difference)


def publish_instruments(
    cursor: Cursor, applied: Applied, watch: Stopwatch, *, now: datetime
) -> None:
    """Bring `public.instruments` to the published view, if there is one."""
    wanted = read_relations(cursor, PUBLISHED_SCHEMA, [EXP_INSTRUMENTS]).get(EXP_INSTRUMENTS)
    if wanted is None:
        return
    with watch.stage("public.instruments"):
        table, told = ensure_instruments(cursor)
        applied.migrations += told
        legacy = Legacy(table, wanted)
        refuse_losses(cursor, legacy)
        applied.instruments = apply_instruments(cursor, legacy, now=now)
    with watch.stage("verify public.instruments"):
        if not applied.instruments.is_empty:
            verify_instruments(cursor, legacy)


def rows_by_exchange(cursor: Cursor) -> dict[str, int]:
    """Kite's rows of `marts.broker_instruments` by exchange; empty when it is not published."""
    if not read_relations(cursor, PUBLISHED_SCHEMA, [BROKER_INSTRUMENTS]):
        return {}
    return dict(
        cursor.execute(
            sql.SQL(
                "select exchange, count(*) from {} where broker = 'kite' "
                "group by exchange order by exchange"
            ).format(sql.Identifier(PUBLISHED_SCHEMA, BROKER_INSTRUMENTS))
        ).fetchall()
    )


def summary(
    applied: Applied,
    exchanges: Mapping[str, int],
    overrides_dropped: Sequence[Override],
    overrides_waiting: Sequence[str],
) -> dict[str, Any]:
    """The summary of a publication, as `ops.publications` keeps it."""
    tables = {
        name: {
            "rows": applied.states[name].rows,
            "added": plan.added,
            "changed": plan.changed,
            "removed": plan.removed,
            "digest": applied.states[name].digest,
            "was_empty": name in applied.emptied_by_undo,
        }
        for name, plan in applied.tables.items()
    }
    return {
        "tables": tables,
        "public.instruments": _counts(applied.instruments),
        "rows_by_exchange": dict(exchanges),
        "subscriptions": subscriptions(applied),
        "migrations": list(applied.migrations),
        "overrides_dropped": [
            asdict(one) | {"recorded_at": one.recorded_at.isoformat()} for one in overrides_dropped
        ],
        "overrides_waiting": list(overrides_waiting),
        "views": list(applied.views),
    }


def subscriptions(applied: Applied) -> int:
    """Rows of `marts.active_subscriptions`."""
    state = applied.states.get(ACTIVE_SUBSCRIPTIONS)
    return state.rows if state else 0


def _counts(plan: Plan | None) -> dict[str, int] | None:
    if plan is None:
        return None
    return {"added": plan.added, "changed": plan.changed, "removed": plan.removed}
