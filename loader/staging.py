"""What stands in `staging` without a new dump: the rows of an older load, or an empty table."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from loader.feeds import Feed


def ensure_table(connection: psycopg.Connection[Any], feed: Feed) -> None:
    """Create the feed's empty staging table where there is none; one with rows is emptied.

    For a feed of which there is no dump at all, so that what reads the table finds no rows.
    """
    table = sql.Identifier("staging", feed.table)
    columns = sql.SQL(", ").join(
        sql.SQL("{} text not null").format(sql.Identifier(name)) for name in feed.columns
    )
    with connection.transaction():
        connection.execute(
            sql.SQL(
                "create unlogged table if not exists {}"
                " (_load_id bigint not null, _line_number bigint not null, {})"
            ).format(table, columns)
        )
        connection.execute(sql.SQL("truncate {}").format(table))


def staged_load_id(connection: psycopg.Connection[Any], feed: Feed) -> int | None:
    """The load whose rows stand in the feed's staging table; None when it is empty or missing."""
    table = sql.Identifier("staging", feed.table)
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute("select to_regclass(%s)", [table.as_string(connection)]).fetchone()
        if found is None or found[0] is None:
            return None
        row = cursor.execute(sql.SQL("select _load_id from {} limit 1").format(table)).fetchone()
    return int(row[0]) if row else None
