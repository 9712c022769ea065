"""End, supersede and begin versions of one table, given what each touched row was and is.

The touched rows are in a temporary table (`history_instruments`, `history_brokers`):

- `has_old`, `old_from`, `old_publication`, `old_row`, `old_id`: the version that held when the
  publication began;
- `has_new`, `new_row`, `new_id`: the published row now;
- `base_row`, `base_from`, `base_id`, `base_publication`: of a second publication of one day,
  the version that the first one ended: what the day before was.
"""

from __future__ import annotations

from datetime import date

from psycopg import sql

from exporters.postgres import rows
from exporters.postgres.history.versioned import Versioned
from exporters.postgres.session import Cursor

# How a touched row and a row of `current_...` or `past_...` are told to be the same.
_SAME = {False: ("instrument_id",), True: ("broker", "exchange", "broker_token")}

_END = sql.SQL("""
insert into {past} (
    instrument_id, {columns}, valid_from, valid_to, recorded_at, publication_id, closed_by,
    superseded_by
)
select
    t.old_id, {old_values}, t.old_from,
    case when t.old_from < {as_of} then {as_of} end, u.published_at, t.old_publication,
    case when t.old_from < {as_of} then {publication} end,
    case when t.old_from >= {as_of} then {publication} end
from {touched} as t
inner join ops.publications as u on u.publication_id = t.old_publication
where t.has_old and not t.is_same
""")

_LEAVE = sql.SQL("""
delete from {current} as c using {touched} as t
where t.has_old and not t.is_same and {same_row}
""")

# The row is again what it was before the day: the first publication of the day ended nothing.
_REOPEN = sql.SQL("""
update {past} as p set superseded_by = {publication}
from {touched} as t
where
    t.is_base_again and {same_past}
    and p.superseded_by is null and p.valid_to = {as_of}
""")

_IS_ANY_REOPENED = sql.SQL("select from {touched} as t where t.is_base_again limit 1")

_BEGIN = sql.SQL("""
insert into {current} ({key}, valid_from, publication_id)
select {key_values}, case when t.is_base_again then t.base_from else {as_of} end, {publication}
from {touched} as t
where t.has_new and not t.is_same
""")


def differ(versioned: Versioned, left: str, right: str) -> sql.Composed:
    """Whether two rows, as columns of a touched table, are two versions."""
    return sql.SQL("row({}) is distinct from row({})").format(
        values(versioned.compared, left), values(versioned.compared, right)
    )


def values(names: tuple[str, ...], row: str) -> sql.Composed:
    """Columns out of a row that is itself a column of the touched table `t`."""
    return rows.COMMA.join(
        sql.SQL("(t.{}).{}").format(sql.Identifier(row), sql.Identifier(name)) for name in names
    )


def apply_touched(
    cursor: Cursor, versioned: Versioned, touched: str, publication_id: int, as_of: date
) -> None:
    """Move what ended, reopen what did not after all, begin what is new."""
    same = _SAME[versioned.is_of_brokers]
    key = same if versioned.is_of_brokers else ("instrument_id", "canonical_id")
    key_values = (
        values(same, "new_row")
        if versioned.is_of_brokers
        else sql.SQL("t.instrument_id, (t.new_row).canonical_id")
    )
    parts = {
        "past": versioned.past,
        "current": versioned.current,
        "touched": sql.Identifier(touched),
        "columns": rows.columns(versioned.names),
        "old_values": values(versioned.names, "old_row"),
        "as_of": sql.Literal(as_of),
        "publication": sql.Literal(publication_id),
        "same_row": rows.same_key(same, "c", "t"),
        "same_past": rows.same_key(same, "p", "t"),
        "key": rows.columns(key),
        "key_values": key_values,
    }
    statements = [_END, _LEAVE, _BEGIN]
    # Only in a second publication of one day; the planner would read the whole past to find none.
    if cursor.execute(_IS_ANY_REOPENED.format(**parts)).fetchone() is not None:
        statements.insert(2, _REOPEN)
    for statement in statements:
        cursor.execute(statement.format(**parts))
