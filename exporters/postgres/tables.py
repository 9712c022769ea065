"""Make a published table of the candidate's shape: logged, with its keys, checks and comments."""

from __future__ import annotations

from psycopg import sql

from exporters.errors import DestinationRefused
from exporters.postgres.catalog import Column, Relation
from exporters.postgres.session import Cursor, settings

_CONSTRAINTS = """
select pg_get_constraintdef(oid) from pg_constraint
where conrelid = %s and contype in ('p', 'u', 'x')
order by contype, conname
"""

# The definition of each index that the published table lacks, with that table in the place of
# the candidate.
_INDEXES = """
select replace(
    pg_get_indexdef(i.indexrelid),
    format(' ON %%I.%%I USING ', %(schema)s::text, %(name)s::text),
    format(' ON %%I.%%I USING ', %(published)s::text, %(name)s::text)
)
from pg_index as i
inner join pg_class as c on c.oid = i.indexrelid
where
    i.indrelid = %(oid)s
    and to_regclass(format('%%I.%%I', %(published)s::text, c.relname)) is null
    and not exists (select from pg_constraint as k where k.conindid = i.indexrelid)
order by i.indexrelid
"""


def create_table(cursor: Cursor, candidate: Relation, schema: str) -> None:
    """Create the published twin of a candidate table, without indexes: filling it is faster so.

    `like` leaves out that the candidate is unlogged: what is published survives a crash.

    Raises:
        DestinationRefused: The candidate has no primary key, so rows cannot be told apart.
    """
    if not candidate.key:
        raise DestinationRefused(
            f"{candidate} has no primary key",
            expected="one: a published table changes row by row",
            remedy="Give the model a primary key constraint, then build and publish again",
        )
    cursor.execute(
        sql.SQL("create table {} (like {} including all excluding indexes)").format(
            sql.Identifier(schema, candidate.name), candidate.identifier
        )
    )


def create_indexes(cursor: Cursor, candidate: Relation, published: Relation) -> None:
    """Create the keys and indexes of the candidate on its filled twin and analyze it."""
    for (definition,) in cursor.execute(_CONSTRAINTS, [candidate.oid]).fetchall():
        cursor.execute(
            sql.SQL("alter table {} add {}").format(published.identifier, sql.SQL(definition))
        )
    names = {
        "schema": candidate.schema, "name": candidate.name,
        "published": published.schema, "oid": candidate.oid,
    }  # fmt: skip
    for (definition,) in cursor.execute(_INDEXES, names).fetchall():
        cursor.execute(sql.SQL(definition))
    # A tenth of the usual sample tells the planner enough until autovacuum takes a whole one.
    with settings(cursor, default_statistics_target="10"):
        cursor.execute(sql.SQL("analyze {}").format(published.identifier))


def carry_comments(cursor: Cursor, candidate: Relation, published: Relation) -> None:
    """Give the published relation the candidate's descriptions where they differ."""
    kind = sql.SQL(published.kind)
    if candidate.comment != published.comment:
        cursor.execute(
            sql.SQL("comment on {} {} is {}").format(
                kind, published.identifier, sql.Literal(candidate.comment)
            )
        )
    for column in candidate.columns:
        held = published.column(column.name)
        if column.comment != (held.comment if held else None):
            _comment_on_column(cursor, published, column)


def _comment_on_column(cursor: Cursor, published: Relation, column: Column) -> None:
    cursor.execute(
        sql.SQL("comment on column {} is {}").format(
            sql.Identifier(published.schema, published.name, column.name),
            sql.Literal(column.comment),
        )
    )
