"""SQL over the rows of two relations of one shape: joined on the key, compared column by column."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from exporters.postgres.catalog import Relation

COMMA = sql.SQL(", ")


def columns(names: Iterable[str], alias: str | None = None) -> sql.Composed:
    """The columns, comma separated: `a, b` or `m.a, m.b`."""
    return COMMA.join(
        sql.Identifier(name) if alias is None else sql.Identifier(alias, name) for name in names
    )


def same_key(key: Iterable[str], left: str, right: str) -> sql.Composed:
    """`left.a = right.a and left.b = right.b`."""
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name))
        for name in key
    )


def differs(relation: Relation, left: str, right: str) -> sql.Composed:
    """Whether two rows differ in any column of the relation; null equals null."""
    return sql.SQL("row({}) is distinct from row({})").format(
        _comparable(relation, left), _comparable(relation, right)
    )


def key_object(key: Iterable[str], alias: str) -> sql.Composed:
    """The key of a row as a JSON object."""
    return sql.SQL("jsonb_build_object({})").format(
        COMMA.join(
            sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier(alias, name)) for name in key
        )
    )


def _comparable(relation: Relation, alias: str) -> sql.Composed:
    # json has no equality: its text has.
    return COMMA.join(
        sql.SQL("{}::text" if column.type == "json" else "{}").format(
            sql.Identifier(alias, column.name)
        )
        for column in relation.columns
    )
