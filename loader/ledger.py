"""Reading the ledger of loads: what was fetched last, and what a load was landed from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from loader.archive import verified_size
from loader.fetch import Dump, Validator


def last_validator(connection: psycopg.Connection[Any], feed: str, source: str) -> Validator | None:
    """What the server said of the dump landed last from this source.

    Args:
        connection: to a database where `ensure_schema` ran.
        feed: the feed's name.
        source: where the next dump comes from, without credentials (`source.shown`).

    Returns:
        The newest landed load's validator, or None where there is none.
    """
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(
            """
            select source, landing_path, sha256, etag, last_modified
            from ops.loads
            where feed = %s and source = %s and status = 'landed'
            order by load_id desc
            limit 1
            """,
            (feed, source),
        ).fetchone()
    if row is None or not (row[3] or row[4]):
        return None
    shown, path, sha256, etag, last_modified = row
    return Validator(shown, Path(path), sha256, etag, last_modified)


def load_dump(connection: psycopg.Connection[Any], load_id: int) -> Dump | None:
    """The archived dump of a load; None when it was pruned or is no longer what was landed."""
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(
            """
            select feed, landing_path, source, sha256, bytes, etag, last_modified
            from ops.loads
            where load_id = %s
            """,
            (load_id,),
        ).fetchone()
    if row is None:
        return None
    feed, path, source, sha256, size, etag, last_modified = row
    if verified_size(Path(path), sha256) is None:
        return None
    return Dump(feed, Path(path), source, sha256, size, etag, last_modified)
