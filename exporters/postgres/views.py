"""Recreate the candidate's views over the published tables, when their definition changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from psycopg import errors, sql

from exporters.errors import DestinationRefused, VerificationError
from exporters.postgres.catalog import Relation
from exporters.postgres.session import UNCHANGED, Cursor, settings, waiting_for

_DEFINITIONS = """
select c.relname, pg_get_viewdef(c.oid)
from pg_class as c
where c.oid = any(%s)
"""

_REFERENCES = """
select distinct v.relname, n.nspname, t.relname
from pg_rewrite as r
inner join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
inner join pg_class as t on d.refclassid = 'pg_class'::regclass and t.oid = d.refobjid
inner join pg_namespace as n on n.oid = t.relnamespace
inner join pg_class as v on v.oid = r.ev_class
where r.ev_class = any(%s) and t.oid <> r.ev_class and n.nspname <> 'pg_catalog'
order by 1, 2, 3
"""

# Our views that read one of the columns, and our views that are built on those.
_READERS = """
with recursive dependent as (
    select r.ev_class as view, d.refobjid as relation, a.attname
    from pg_depend as d
    inner join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
    inner join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where
        d.refclassid = 'pg_class'::regclass
        and d.refobjid <> r.ev_class
        and r.ev_class = any(%(views)s)
),

reading as (
    select view from dependent where relation = %(relation)s and attname = any(%(columns)s)
    union
    select d.view from reading as r inner join dependent as d on d.relation = r.view
)

select view from reading
"""

# A string literal, a quoted name, a name or number, or one other character.
_TOKEN = re.compile(
    r"""[Ee]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\W]\w*|.""", re.DOTALL
)

_GRANTS = """
select g.grantee, r.rolname, g.privilege_type, g.is_grantable
from pg_class as c
cross join lateral aclexplode(c.relacl) as g
left join pg_roles as r on r.oid = g.grantee
where c.oid = %s and g.grantee <> c.relowner
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """A right that somebody was given on a view."""

    grantee: sql.Composable
    privilege: str
    is_grantable: bool


Rights: TypeAlias = Mapping[str, tuple[Grant, ...]]
"""Who may do what with views, by their names."""


def refuse_unpublished_references(
    cursor: Cursor, views: Sequence[Relation], published: Sequence[str]
) -> None:
    """Views may read only what is published with them.

    Raises:
        DestinationRefused: One reads something else, which the next build would drop.
    """
    oids = [view.oid for view in views]
    for view, schema, name in cursor.execute(_REFERENCES, [oids]).fetchall():
        if schema != views[0].schema or name not in published:
            raise DestinationRefused(
                f"view {views[0].schema}.{view} reads {schema}.{name}, which is not published",
                expected="a view over published models only",
                consumers=UNCHANGED,
                remedy=f"Publish {name}, or let the view read a published model",
            )


def definitions(cursor: Cursor, schema: str, views: Sequence[Relation]) -> dict[str, str]:
    """The text of each view; names of its own schema are qualified only where they must be."""
    with settings(cursor, search_path=_path(schema)):
        found = cursor.execute(_DEFINITIONS, [[view.oid for view in views]]).fetchall()
    return {name: text.strip().rstrip(";") for name, text in found}


def requalified(definition: str, schema: str, target: str) -> str:
    """The definition with the relations of one schema taken from another; literals stay.

    PostgreSQL qualifies a relation even where the search path finds it when a `with` query has
    the same name, as in `with instruments as (select ... from candidate.instruments)`.
    """
    quoted = sql.Identifier(schema).as_string()
    tokens = _TOKEN.findall(definition)
    around = zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False)
    return "".join(
        sql.Identifier(target).as_string()
        if token in {schema, quoted} and following == "." and before != "."
        else token
        for before, token, following in around
    )


def _spelled_alike(definition: str, schema: str) -> str:
    """The same definition for comparison, however the schema's name is quoted."""
    return requalified(definition, schema, schema)


def publish_views(
    cursor: Cursor,
    candidates: Sequence[Relation],
    published: Mapping[str, Relation],
    *,
    schema: str,
    grants: Rights,
) -> list[str]:
    """Create or replace each view whose definition differs; the others are not even locked.

    Args:
        cursor: Inside the publication's transaction, the tables having their final shape.
        candidates: The views to publish.
        published: What exists under their names.
        schema: Where they are published.
        grants: Rights on views that had to step aside, by name.

    Returns:
        What was done, a line each.
    """
    wanted = {
        name: requalified(text, candidates[0].schema, schema)
        for name, text in _definitions_of(cursor, candidates).items()
    }
    kept = dict(published)
    held = {
        name: _spelled_alike(text, schema)
        for name, text in _definitions_of(cursor, list(kept.values())).items()
    }
    rights = dict(grants)
    for view in candidates:
        if view.name in kept and not _only_grows(kept[view.name], view):
            ours = list(kept.values())
            rights |= step_aside(cursor, kept[view.name], view.column_names, ours)
            rights[view.name] = drop_view(cursor, kept[view.name])
            kept = {name: one for name, one in kept.items() if name not in rights}
    told: list[str] = []
    # In the order of their making, so that a view on a view finds it.
    for view in sorted(candidates, key=lambda view: view.oid):
        if view.name in kept and wanted[view.name] == held[view.name]:
            continue
        target = sql.Identifier(schema, view.name)
        _create(cursor, target, wanted[view.name], schema)
        give_back(cursor, target, rights.get(view.name, ()))
        if view.name in held and wanted[view.name] != held[view.name]:
            told.append(f"{schema}.{view.name}: new definition")
    _refuse_foreign_references(cursor, [view.name for view in candidates], schema)
    return told


def _definitions_of(cursor: Cursor, views: Sequence[Relation]) -> dict[str, str]:
    return definitions(cursor, views[0].schema, views) if views else {}


def _refuse_foreign_references(cursor: Cursor, names: Sequence[str], schema: str) -> None:
    """A published view that read the candidate would show what nobody audited.

    Raises:
        VerificationError: One reads a relation of another schema.
    """
    found = cursor.execute(
        "select array_agg(c.oid) from pg_class as c where c.relnamespace = %s::regnamespace"
        " and c.relname = any(%s)",
        [sql.Identifier(schema).as_string(), list(names)],
    ).fetchone()
    oids = found[0] if found and found[0] else []
    for view, other, name in cursor.execute(_REFERENCES, [oids]).fetchall():
        if other != schema:
            raise VerificationError(
                f"view {schema}.{view} would read {other}.{name}",
                expected=f"a view over {schema} alone",
                consumers=UNCHANGED,
                remedy="Simplify the model's SQL, and build and publish again",
            )


def step_aside(
    cursor: Cursor, relation: Relation, columns: Sequence[str], views: Sequence[Relation]
) -> dict[str, tuple[Grant, ...]]:
    """Drop our own views that read columns about to change their type; `publish_views` follows.

    Returns:
        The rights on each dropped view, by name.

    Raises:
        DestinationRefused: Somebody else's view is built on one of them.
    """
    parameters = {
        "relation": relation.oid,
        "columns": list(columns),
        "views": [view.oid for view in views],
    }
    reading = {oid for (oid,) in cursor.execute(_READERS, parameters).fetchall()}
    # Backwards, so that a view goes before the view that it is built on.
    dropped = sorted((view for view in views if view.oid in reading), key=lambda view: -view.oid)
    return {view.name: drop_view(cursor, view) for view in dropped}


def _only_grows(held: Relation, wanted: Relation) -> bool:
    """Whether the view keeps its columns and gains some at its end: all that `or replace` can."""
    shapes = [[(column.name, column.type) for column in one.columns] for one in (held, wanted)]
    return shapes[1][: len(shapes[0])] == shapes[0]


def _path(schema: str) -> str:
    """A search path of the schema alone; temporary tables, else first, come last."""
    return f"{sql.Identifier(schema).as_string()}, pg_temp"


def _create(cursor: Cursor, target: sql.Identifier, definition: str, schema: str) -> None:
    text = target.as_string()
    with (
        settings(cursor, search_path=_path(schema)),
        waiting_for(f"a new definition of view {text}", text, cursor),
    ):
        cursor.execute(
            sql.SQL("create or replace view {} as {}").format(target, sql.SQL(definition))
        )


def drop_view(cursor: Cursor, view: Relation) -> tuple[Grant, ...]:
    """Drop a view of ours, and say who had which right on it.

    Raises:
        DestinationRefused: Somebody else's view is built on it.
    """
    grants = tuple(
        Grant(sql.SQL("public") if grantee == 0 else sql.Identifier(role), privilege, grantable)
        for grantee, role, privilege, grantable in cursor.execute(_GRANTS, [view.oid]).fetchall()
    )
    try:
        with waiting_for(f"a new shape of view {view}", view.identifier.as_string(), cursor):
            cursor.execute(sql.SQL("drop view {}").format(view.identifier))
    except errors.DependentObjectsStillExist as error:
        raise DestinationRefused(
            f"view {view} changes its columns, and others are built on it: "
            f"{' '.join((error.diag.message_detail or '').split())}",
            expected="a view that only gains columns at its end",
            consumers=UNCHANGED,
            remedy="Drop what is built on it, publish, and make it again",
        ) from error
    return grants


def give_back(cursor: Cursor, view: sql.Identifier, grants: Sequence[Grant]) -> None:
    """Give the rights that people had on a view of the same name before it was dropped."""
    for grant in grants:
        statement = sql.SQL("grant {} on {} to {}").format(
            sql.SQL(grant.privilege), view, grant.grantee
        )
        if grant.is_grantable:
            statement = sql.SQL("{} with grant option").format(statement)
        cursor.execute(statement)
