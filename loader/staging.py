"""What stands in `staging` without a new dump: the rows of an older load, or an empty table."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from loader.feeds import Feed

LOCK_TIMEOUT = "10s"


def create_table(
    connection: psycopg.Connection[Any],
    feed: Feed,
    *,
    given: Collection[str] = (),
    extra: Collection[str] = (),
) -> None:
    """Put an empty staging table in the place of the feed's old one, inside a transaction.

    Args:
        connection: in a transaction.
        feed: whose table.
        given: the feed's columns that the dump has; what it lacks is '' in every row.
        extra: columns that the feed does not know.
    """
    table = sql.Identifier("staging", feed.table)
    connection.execute(sql.SQL("set local lock_timeout = {}").format(LOCK_TIMEOUT))
    # Two landings of one feed wait for each other instead of both creating the table.
    connection.execute("select pg_advisory_xact_lock(hashtext(%s))", (f"staging.{feed.table}",))
    connection.execute(sql.SQL("drop table if exists {}").format(table))
    columns = sql.SQL(", ").join(
        sql.SQL("{} text not null{}").format(
            sql.Identifier(name), sql.SQL("" if name in given else " default ''")
        )
        for name in (*feed.columns, *extra)
    )
    connection.execute(
        sql.SQL(
            "create unlogged table {} (_load_id bigint not null, _line_number bigint not null, {})"
            # It is dropped by the next landing: vacuuming it would fall into the build.
            " with (autovacuum_enabled = false)"
        ).format(table, columns)
    )


def ensure_table(connection: psycopg.Connection[Any], feed: Feed) -> None:
    """An empty staging table for a feed of which there is no dump at all.

    So what reads the table finds it, of today's columns and without rows.
    """
    with connection.transaction():
        create_table(connection, feed)


def staged_load_id(connection: psycopg.Connection[Any], feed: Feed) -> int | None:
    """The load whose rows stand in the feed's staging table; None when it is empty or missing."""
    table = sql.Identifier("staging", feed.table)
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute("select to_regclass(%s)", [table.as_string(connection)]).fetchone()
        if found is None or found[0] is None:
            return None
        row = cursor.execute(sql.SQL("select _load_id from {} limit 1").format(table)).fetchone()
    return int(row[0]) if row else None
