"""Read the shape of relations from PostgreSQL's own catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from psycopg import sql
from psycopg.rows import tuple_row

from exporters.errors import DestinationRefused
from exporters.postgres.session import Connection, Cursor

Kind = Literal["table", "view"]

_KINDS: Mapping[str, Kind] = {"r": "table", "p": "table", "v": "view"}

_RELATIONS = """
select c.relname, c.oid, c.relkind::text, obj_description(c.oid, 'pg_class')
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where
    n.nspname = %(schema)s
    and c.relname = any(%(names)s)
    and c.relkind not in ('i', 'I', 't', 'S')
"""

_COLUMNS = """
select
    a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    col_description(a.attrelid, a.attnum)
from pg_attribute as a
where a.attrelid = any(%(oids)s) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""

_KEYS = """
select k.conrelid, a.attname, k.conname
from pg_constraint as k
cross join lateral unnest(k.conkey) with ordinality as part (attnum, position)
inner join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = part.attnum
where k.conrelid = any(%(oids)s) and k.contype = 'p'
order by k.conrelid, part.position
"""

_CHECKS = """
select k.conrelid, pg_get_constraintdef(k.oid), k.conname
from pg_constraint as k
where k.conrelid = any(%(oids)s) and k.contype = 'c'
order by k.conrelid, k.conname
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type as PostgreSQL spells it, whether it is `not null`, its comment."""

    name: str
    type: str
    is_required: bool
    comment: str | None


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view.

    Attributes:
        key: The primary key's columns, in its order; empty when there is none.
        key_name: The name of its constraint.
        checks: Names of the check constraints by their definition.
    """

    schema: str
    name: str
    oid: int
    kind: Kind
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    checks: Mapping[str, str]
    comment: str | None
    key_name: str = ""

    @property
    def identifier(self) -> sql.Identifier:
        """The qualified name, quoted."""
        return sql.Identifier(self.schema, self.name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns in their own order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column | None:
        """The column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def read_relations(cursor: Cursor, schema: str, names: Iterable[str]) -> dict[str, Relation]:
    """The relations of a schema that exist, by name.

    Raises:
        DestinationRefused: One of them is neither a table nor a view.
    """
    cursor.execute(_RELATIONS, {"schema": schema, "names": list(names)})
    found = cursor.fetchall()
    for name, _, kind, _ in found:
        if kind not in _KINDS:
            raise DestinationRefused(
                f"{schema}.{name} is of kind {kind!r}",
                expected="an ordinary table or a view",
                remedy="Move it out of the way, then publish again",
            )
    oids = {"oids": [oid for _, oid, _, _ in found]}
    columns: dict[int, list[Column]] = {}
    for oid, *parts in cursor.execute(_COLUMNS, oids).fetchall():
        columns.setdefault(oid, []).append(Column(*parts))
    keys: dict[int, list[str]] = {}
    key_names: dict[int, str] = {}
    for oid, column, key_name in cursor.execute(_KEYS, oids).fetchall():
        keys.setdefault(oid, []).append(column)
        key_names[oid] = key_name
    checks: dict[int, dict[str, str]] = {}
    for oid, definition, name in cursor.execute(_CHECKS, oids).fetchall():
        checks.setdefault(oid, {})[definition] = name
    return {
        name: Relation(
            schema, name, oid, _KINDS[kind],
            columns=tuple(columns.get(oid, ())),
            key=tuple(keys.get(oid, ())),
            checks=checks.get(oid, {}),
            comment=comment,
            key_name=key_names.get(oid, ""),
        )
        for name, oid, kind, comment in found
    }  # fmt: skip


def read_views(cursor: Cursor, schema: str) -> list[Relation]:
    """All views of a schema."""
    names = cursor.execute("select viewname from pg_views where schemaname = %s", [schema])
    return list(read_relations(cursor, schema, [name for (name,) in names.fetchall()]).values())


def temporary_schema(cursor: Cursor) -> str:
    """The name of this session's schema of temporary tables; there has to be one already."""
    row = cursor.execute(
        "select nspname from pg_namespace where oid = pg_my_temp_schema()"
    ).fetchone()
    return str(row[0]) if row else "pg_temp"


def candidate_oids(connection: Connection, schema: str, tables: Iterable[str]) -> dict[str, int]:
    """The oids of relations, to be compared later: a relation built again has another one.

    Args:
        connection: Any connection.
        schema: Where they are.
        tables: Their names; those that do not exist are left out.
    """
    with connection.transaction():
        cursor = connection.cursor(row_factory=tuple_row)
        cursor.execute(_RELATIONS, {"schema": schema, "names": list(tables)})
        return {name: oid for name, oid, _, _ in cursor.fetchall()}
