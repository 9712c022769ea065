"""Let hand changes of subscriptions follow their instrument when its canonical id changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, replace

from psycopg import sql

from exporters.postgres.override_rules import Override
from exporters.postgres.published_overrides import (
    COLUMNS,
    PUBLISHED_OVERRIDES,
    SUBSCRIPTION_OVERRIDES,
)
from exporters.postgres.session import Cursor

# Ids that mean something else now: where the instrument is, or null when it has left and the
# id is another's. An id that is nobody's now stays as it is: its contract may be back.
_MOVED = sql.SQL("""
select t.old_canonical_id, t.new_canonical_id
from {touched} as t
where
    t.has_old
    and t.new_canonical_id is distinct from t.old_canonical_id
    and (
        t.new_canonical_id is not null
        or exists (
            select from history.current_instruments as c
            where c.canonical_id = t.old_canonical_id
        )
    )
    and t.old_canonical_id = any({named})
""")


def follow_overrides(cursor: Cursor, touched: str) -> tuple[Override, ...]:
    """Give overrides the id that their instrument has now, in the publication's transaction.

    Args:
        cursor: Inside the transaction, its versions being written.
        touched: The temporary table of instruments with their old and new canonical ids.

    Returns:
        Those that were dropped: the id is another instrument's now, and their own has left.
    """
    cursor.execute(
        "select canonical_id from ops.subscription_overrides"
        " union select canonical_id from ops.published_overrides"
    )
    named = [name for (name,) in cursor.fetchall()]
    if not named:
        return ()
    cursor.execute(_MOVED.format(touched=sql.Identifier(touched), named=sql.Literal(named)))
    moved: dict[str, str | None] = dict(cursor.fetchall())
    if not moved:
        return ()
    _move(cursor, PUBLISHED_OVERRIDES, moved)
    return _move(cursor, SUBSCRIPTION_OVERRIDES, moved)


def _move(
    cursor: Cursor, table: sql.Identifier, moved: Mapping[str, str | None]
) -> tuple[Override, ...]:
    # Out first, then in: ids may have changed places.
    cursor.execute(
        sql.SQL("delete from {} where canonical_id = any(%s) returning {}").format(table, COLUMNS),
        [list(moved)],
    )
    taken = [Override(*row) for row in cursor.fetchall()]
    dropped = tuple(one for one in taken if moved[one.canonical_id] is None)
    # Of two that meet, the one of later stands.
    for one in sorted(taken, key=lambda override: override.recorded_at, reverse=True):
        target = moved[one.canonical_id]
        if target is not None:
            cursor.execute(
                sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
                    table, COLUMNS, sql.SQL(", ").join(sql.Placeholder() * len(astuple(one)))
                ),
                astuple(replace(one, canonical_id=target)),
            )
    return dropped
