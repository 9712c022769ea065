"""What is published now, read in one snapshot of PostgreSQL.

A destination outside PostgreSQL reads the published tables and the number of the publication
from the same snapshot, so the two always belong together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from exporters.errors import DestinationRefused, DestinationUnavailable

PUBLISHED_SCHEMA = "marts"

_LATEST = """
select
    publication_id,
    published_at,
    as_of_date,
    fingerprint,
    rollback_of is not null
from ops.publications
order by publication_id desc
limit 1
"""


@dataclass(frozen=True, slots=True)
class Published:
    """The publication that consumers should see.

    Attributes:
        publication_id: Its number.
        published_at: When it was committed, in UTC.
        as_of: The trading day that it describes.
        fingerprint: What it was made from; tells equal numbers of two warehouses apart.
        is_rollback: Whether it puts an older publication back.
    """

    publication_id: int
    published_at: datetime
    as_of: date
    fingerprint: str
    is_rollback: bool = False


_UPCOMING = """
select
    coalesce((select max(publication_id) from ops.publications), 0) + 1,
    now(),
    as_of_date,
    '',
    false
from ops.build_parameters
"""


@contextmanager
def snapshot(
    connection: psycopg.Connection[Any], schema: str = PUBLISHED_SCHEMA
) -> Iterator[Published]:
    """Hold one repeatable-read, read-only transaction for the body, and say what is published.

    Inside it, relations named without a schema are those of `schema`.

    Args:
        connection: A direct connection with no transaction open.
        schema: Where the relations are read; of another schema than the published one, what is
            said is what its publication would be (a dry run over the candidate).

    Raises:
        DestinationRefused: Nothing has been published in this database.
        DestinationUnavailable: PostgreSQL went away.
        ValueError: The connection is inside a transaction, whose snapshot may be an old one.
    """
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise ValueError("the exporter needs a connection without an open transaction")
    try:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            path = sql.SQL("set local search_path = {}").format(sql.Identifier(schema))
            connection.execute(path)
            yield _latest(connection, _LATEST if schema == PUBLISHED_SCHEMA else _UPCOMING)
    except psycopg.errors.UndefinedTable as error:
        raise _nothing_published() from error
    except psycopg.OperationalError as error:
        raise DestinationUnavailable(
            f"The published tables cannot be read from PostgreSQL: {_first_line(error)}",
            consumers="Consumers see what they saw before.",
            remedy="Run the export again when PostgreSQL answers.",
        ) from error


def _latest(connection: psycopg.Connection[Any], query: LiteralString) -> Published:
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(query).fetchone()
    if row is None:
        raise _nothing_published()
    return Published(*row)


def _nothing_published() -> DestinationRefused:
    return DestinationRefused(
        "Nothing has been published in this database",
        expected="a row in ops.publications and the published tables in marts",
        consumers="Consumers see what they saw before.",
        remedy="Run a sync first.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
