"""The views and functions of schema `history`: every version, and what was believed of a day.

Other people's views are built on them. A view only gains columns, at its end; a function that
somebody's view reads keeps its columns until it is free.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from exporters.errors import DestinationRefused
from exporters.postgres import rows
from exporters.postgres.catalog import read_relations
from exporters.postgres.history.versioned import SCHEMA, Versioned
from exporters.postgres.session import UNCHANGED, Cursor
from exporters.postgres.views import Rights, give_back

Shape = tuple[tuple[str, str], ...]
"""The names and types of columns, in order."""

_META: Shape = (
    ("valid_from", "date"), ("valid_to", "date"), ("recorded_at", "timestamp with time zone"),
    ("publication_id", "bigint"), ("closed_by", "bigint"), ("superseded_by", "bigint"),
)  # fmt: skip

_VIEW = sql.SQL("""
create or replace view {view} as
select {past}
from {past_versions} as p
union all
select {current}
from {current_versions} as c
inner join {published} as m on {same_key}
{identity}
inner join ops.publications as u on u.publication_id = c.publication_id
""")

# None for a row of which nobody can say which instrument it is.
_IDENTITY = sql.SQL("left join history.current_instruments as i on i.canonical_id = m.canonical_id")

_BELIEVED = sql.SQL("""
create or replace function {function}({arguments}) returns table ({returned})
language sql stable rows 100000 as {body}
""")

_AS_OF = sql.SQL("""
select {columns} from {view} as v
where
    v.superseded_by is null and v.valid_from <= day and (v.valid_to is null or v.valid_to > day)
    {not_expired}
""")

_AS_SEEN = sql.SQL("""
select {columns} from {view} as v
where
    v.publication_id <= publication
    and (v.superseded_by is null or v.superseded_by > publication)
    and v.valid_from <= day
    and (v.valid_to is null or v.valid_to > day or v.closed_by > publication)
    -- A day that was brought in later was seen by nobody before.
    and day >= (
        select min(p.as_of_date) from ops.publications as p
        where coalesce(p.brought_in_after, p.publication_id) <= publication
    )
    {not_expired}
""")

# A version holds until a publication ends it. On a day without one, what had expired is over.
_NOT_EXPIRED = sql.SQL("""and (
        v.expiry_date is null or v.expiry_date >= day
        or day in (select p.as_of_date from ops.publications as p)
    )""")

_HELD_FUNCTIONS = """
select
    f.proname,
    (
        select array_agg(array[a.name, format_type(a.type, null)] order by a.place)
        from unnest(f.proargnames, f.proallargtypes, f.proargmodes) with ordinality
            as a (name, type, mode, place)
        where a.mode = 't'
    ),
    (
        select string_agg(distinct pg_describe_object(d.classid, d.objid, d.objsubid), ', ')
        from pg_depend as d
        where d.refclassid = 'pg_proc'::regclass and d.refobjid = f.oid and d.deptype = 'n'
    ),
    f.prosrc
from pg_proc as f
where f.pronamespace = to_regnamespace('history') and f.proname = any(%s)
"""


@dataclass(frozen=True, slots=True)
class _Function:
    """A function as it stands: its columns, what others have built on it, its statement."""

    shape: Shape
    dependants: str | None
    body: str


def ensure_view(cursor: Cursor, versioned: Versioned, rights: Rights) -> None:
    """Create the view and functions of one table's versions, or let them gain its new columns.

    Args:
        cursor: Inside the publication's transaction.
        versioned: Whose versions.
        rights: On views that had to step aside, by name.

    Raises:
        DestinationRefused: A column has another type, and somebody's view reads the function.
    """
    noun = "broker_instrument" if versioned.is_of_brokers else "instrument"
    name = f"{noun}_versions"
    held = read_relations(cursor, SCHEMA, [name]).get(name)
    kept: Shape = tuple((one.name, one.type) for one in held.columns) if held else ()
    shape = _grown(kept, versioned)
    if shape != kept:
        _make_view(cursor, versioned, name, shape)
        give_back(cursor, sql.Identifier(SCHEMA, name), rights.get(name, ()))
    _ensure_functions(cursor, noun, shape)


def _grown(held: Shape, versioned: Versioned) -> Shape:
    """The columns as they stand, and at their end those that are new."""
    wanted: Shape = (
        ("instrument_id", "bigint"),
        *((column.name, column.type) for column in versioned.columns),
        *_META,
    )
    types = dict(wanted)
    kept = tuple((name, types[name]) for name, _ in held if name in types)
    return (*kept, *(column for column in wanted if column[0] not in dict(kept)))


def _make_view(cursor: Cursor, versioned: Versioned, name: str, shape: Shape) -> None:
    cursor.execute(
        _VIEW.format(
            view=sql.Identifier(SCHEMA, name),
            past=rows.columns([column for column, _ in shape], "p"),
            current=rows.COMMA.join(_current(versioned, column) for column, _ in shape),
            past_versions=versioned.past,
            current_versions=versioned.current,
            published=versioned.published.identifier,
            same_key=rows.same_key(versioned.published.key, "m", "c"),
            identity=_IDENTITY if versioned.is_of_brokers else sql.SQL(""),
        )
    )


def _current(versioned: Versioned, column: str) -> sql.Composable:
    """Where a column of what holds now comes from."""
    if column == "instrument_id":
        return sql.Identifier("i" if versioned.is_of_brokers else "c", column)
    if column in {"valid_from", "publication_id"}:
        return sql.Identifier("c", column)
    if column == "recorded_at":
        return sql.SQL("u.published_at as recorded_at")
    if column in dict(_META):
        kind = dict(_META)[column]
        return sql.SQL("null::{} as {}").format(sql.SQL(kind), sql.Identifier(column))
    return sql.Identifier("m", column)


def _ensure_functions(cursor: Cursor, noun: str, shape: Shape) -> None:
    view = sql.Identifier(SCHEMA, f"{noun}_versions")
    wanted = {
        f"{noun}s_as_of": ("day date", _AS_OF),
        f"{noun}s_as_seen": ("day date, publication bigint", _AS_SEEN),
    }
    found = cursor.execute(_HELD_FUNCTIONS, [list(wanted)]).fetchall()
    held = {
        name: _Function(tuple((column, kind) for column, kind in columns or ()), dependants, body)
        for name, columns, dependants, body in found
    }
    for name, (arguments, body) in wanted.items():
        stands = held.get(name)
        returned = _returned(name, stands, shape)
        columns = rows.columns([column for column, _ in returned], "v")
        expires = "expiry_date" in dict(shape)
        told = body.format(
            columns=columns, view=view, not_expired=_NOT_EXPIRED if expires else sql.SQL("")
        ).as_string(cursor)
        if stands is not None and (stands.shape, stands.body) == (returned, told):
            continue
        if stands is not None and stands.shape != returned:
            _drop_function(cursor, name, arguments)
        cursor.execute(
            _BELIEVED.format(
                function=sql.Identifier(SCHEMA, name),
                arguments=sql.SQL(arguments),
                returned=rows.COMMA.join(
                    sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
                    for column, kind in returned
                ),
                body=sql.Literal(told),
            )
        )


def _returned(name: str, stands: _Function | None, shape: Shape) -> Shape:
    """What a function returns: all there is; what it did where somebody's view reads it.

    Raises:
        DestinationRefused: It cannot return that any more.
    """
    if stands is None or not stands.dependants:
        return shape
    if set(stands.shape) <= set(shape):
        return stands.shape
    raise DestinationRefused(
        f"function history.{name} changes the type of a column, and others are built on it:"
        f" {stands.dependants}",
        expected="a function that nobody's view reads while a type changes",
        consumers=UNCHANGED,
        remedy="Drop what is built on it, publish, and make it again",
    )


def _drop_function(cursor: Cursor, name: str, arguments: str) -> None:
    types = sql.SQL(", ".join(part.split()[1] for part in arguments.split(", ")))
    cursor.execute(sql.SQL("drop function {}({})").format(sql.Identifier(SCHEMA, name), types))
