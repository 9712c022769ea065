"""The shape of `public.instruments`, the table that older programs read and write.

It may exist with fewer columns, other indexes, views and foreign keys: what is missing is
added; it is never dropped or recreated, and a column of another type is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from psycopg import sql

from exporters.errors import DestinationRefused
from exporters.postgres.catalog import Column, Relation, read_relations
from exporters.postgres.column_types import family, is_lossless
from exporters.postgres.session import UNCHANGED, Cursor, waiting_for

SCHEMA = "public"
NAME = "instruments"
INSTRUMENTS = sql.Identifier(SCHEMA, NAME)
KEY = "instrument_token"

# The columns of the contract, with what follows their name in `add column`: whether a row must
# have a value is decided when the table is made, since older rows may have none.
COLUMNS: Mapping[str, str] = {
    "instrument_token": "integer",
    "exchange_token": "integer",
    "trading_symbol": "text",
    "name": "text",
    "exchange": "text",
    "segment": "text",
    "instrument_type": "text",
    "expiry": "date",
    "strike": "numeric(12,2)",
    "tick_size": "numeric(10,4)",
    "lot_size": "integer",
    "last_updated": "timestamp with time zone default now()",
    "is_active": "boolean default false",
    "security_id": "text",
    "source": "text default 'kite'",
}

_CONSTRAINTS = {"instrument_token": "primary key", "trading_symbol": "not null",
                "exchange": "not null"}  # fmt: skip

# Somebody else's column: any type will do.
_NOT_OURS = "security_id"

_DUPLICATES = sql.SQL("""
select string_agg(format('%s (%s times)', {key}, times), ', ')
from (
    select {key}, count(*) as times from {table}
    where {key} is not null group by {key} having count(*) > 1 order by {key} limit 5
) as repeated
""")

_IS_UNIQUE = """
select exists (
    select from pg_index as i
    inner join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where
        i.indrelid = %s and a.attname = %s and i.indisunique and i.indisvalid
        and i.indnkeyatts = 1 and i.indpred is null
)
"""


def read_instruments(cursor: Cursor) -> Relation | None:
    """The table as it is; None when there is none.

    Raises:
        DestinationRefused: Something else has its name.
    """
    found = read_relations(cursor, SCHEMA, [NAME]).get(NAME)
    if found is not None and found.kind != "table":
        raise DestinationRefused(
            f"{found} is a {found.kind}",
            expected="a table, or nothing of that name",
            consumers=UNCHANGED,
            remedy=f"Rename the {found.kind}, then publish again",
        )
    return found


def ensure_instruments(cursor: Cursor) -> tuple[Relation, list[str]]:
    """Create the table, or add to it what is missing.

    Returns:
        The table as it is now, and what was done, a line each.

    Raises:
        DestinationRefused: A column has a type that cannot hold ours; nothing was changed.
        DestinationUnavailable: A reader keeps a missing column from being added.
    """
    found = read_instruments(cursor)
    if found is None:
        _create(cursor)
        return _read_again(cursor), [f"{SCHEMA}.{NAME}: created"]
    _refuse_other_types(found)
    _refuse_repeated_tokens(cursor, found)
    missing = [name for name in COLUMNS if found.column(name) is None]
    if missing:
        clauses = sql.SQL(", ").join(
            sql.SQL("add column {} {}").format(sql.Identifier(name), sql.SQL(COLUMNS[name]))
            for name in missing
        )
        with waiting_for(f"new columns {', '.join(missing)}", str(found), cursor):
            cursor.execute(sql.SQL("alter table {} {}").format(INSTRUMENTS, clauses))
    return _read_again(cursor), [f"{found}: add column {name}" for name in missing]


def _create(cursor: Cursor) -> None:
    columns = sql.SQL(", ").join(
        sql.SQL("{} {} {}").format(
            sql.Identifier(name), sql.SQL(definition), sql.SQL(_CONSTRAINTS.get(name, ""))
        )
        for name, definition in COLUMNS.items()
    )
    cursor.execute(sql.SQL("create table {} ({})").format(INSTRUMENTS, columns))


def _read_again(cursor: Cursor) -> Relation:
    found = read_instruments(cursor)
    assert found is not None  # noqa: S101  # made or seen in this very transaction
    return found


def is_usable(found: Relation) -> bool:
    """Whether the columns that the table has can be read and written as ours."""
    return found.column(KEY) is not None and not any(_other_types(found))


def _refuse_other_types(found: Relation) -> None:
    if found.column(KEY) is None:
        _refuse(f"{found} has no column {KEY}", "the token of each row", "Add the column")
    for column, wanted in _other_types(found):
        _refuse(
            f"{found}.{column.name} is {column.type}",
            f"{wanted}, or a wider type of that kind",
            f"When every value fits: alter table {found} alter column {column.name} type {wanted}",
        )


def _other_types(found: Relation) -> Iterator[tuple[Column, str]]:
    """Columns that cannot hold our values, each with the type that could."""
    for name, definition in COLUMNS.items():
        column = found.column(name)
        wanted = definition.split(" default")[0]
        if column is not None and name != _NOT_OURS and not _can_hold(column, wanted):
            yield column, wanted


def _can_hold(column: Column, wanted: str) -> bool:
    """Whether our values fit, or can be tried value by value: `varchar(50)`, `numeric(10,2)`."""
    if is_lossless(wanted, column.type):
        return True
    tried = family(wanted)
    return tried in {"text", "numeric", "timestamp"} and family(column.type) == tried


def _refuse_repeated_tokens(cursor: Cursor, found: Relation) -> None:
    """Without a unique index the token is still how rows are found: it may not repeat."""
    row = cursor.execute(_IS_UNIQUE, [found.oid, KEY]).fetchone()
    if row and row[0]:
        return
    repeated = cursor.execute(
        _DUPLICATES.format(key=sql.Identifier(KEY), table=INSTRUMENTS)
    ).fetchone()
    if repeated and repeated[0]:
        _refuse(
            f"{found} has no unique index on {KEY} and repeats {repeated[0]}",
            "one row per token",
            "Delete the repeated rows and add the primary key",
        )


def _refuse(seen: str, expected: str, remedy: str) -> None:
    raise DestinationRefused(
        seen, expected=expected, consumers=UNCHANGED, remedy=f"{remedy}; then publish again"
    )
