"""Find the versions that a publication touches: what each was, what it is, who it is.

The search begins with the keys that the publication's plan holds and with what
`instrument_continuity` says; a row is touched for good only if its version really differs.
"""

from __future__ import annotations

from datetime import date

from psycopg import sql

from exporters.postgres import rows
from exporters.postgres.difference import TableDifference
from exporters.postgres.history import touched_statements as statements
from exporters.postgres.history.versioned import Versioned
from exporters.postgres.history.versions import differ
from exporters.postgres.session import Cursor

INSTRUMENTS = "history_instruments"
BROKERS = "history_brokers"
BEFORE = {INSTRUMENTS: "history_instruments_before", BROKERS: "history_brokers_before"}


def find_instruments(
    cursor: Cursor,
    versioned: Versioned,
    difference: TableDifference | None,
    publication_id: int,
    as_of: date,
    *,
    has_continuity: bool,
) -> None:
    """Fill `history_instruments`: the touched instruments, each with its id."""
    remember_before(cursor, versioned, publication_id, INSTRUMENTS)
    continuity = sql.SQL("select * from marts.instrument_continuity")
    cursor.execute(
        statements.TOUCHED_INSTRUMENTS.format(
            **_parts(versioned, difference, INSTRUMENTS, as_of),
            continuity=continuity if has_continuity else statements.NO_CONTINUITY,
            highest=sql.Literal(highest_id(cursor)),
        )
    )
    _judge(cursor, versioned, INSTRUMENTS, as_of)


def find_brokers(
    cursor: Cursor,
    versioned: Versioned,
    difference: TableDifference | None,
    publication_id: int,
    as_of: date,
    *,
    is_again: bool,
) -> None:
    """Fill `history_brokers`, once the instruments are as they will be.

    Args:
        cursor: Inside the publication's transaction.
        versioned: The brokers' rows.
        difference: What the publication changes of them.
        publication_id: Its number.
        as_of: Its day.
        is_again: Whether the day was published before.
    """
    remember_before(cursor, versioned, publication_id, BROKERS)
    given = [canonical_id for (canonical_id,) in cursor.execute(statements.GIVEN).fetchall()]
    of_given = statements.OF_GIVEN.format(
        published=versioned.published.identifier, given=sql.Literal(given)
    )
    parts = _parts(versioned, difference, BROKERS, as_of) | {"current": versioned.current}
    nothing = sql.SQL("")
    cursor.execute(
        statements.TOUCHED_BROKERS.format(
            **parts,
            of_given=of_given if given else nothing,
            of_the_day=statements.OF_THE_DAY.format(**parts) if is_again else nothing,
        )
    )
    _judge(cursor, versioned, BROKERS, as_of)


def highest_id(cursor: Cursor) -> int:
    """The highest instrument id that was ever given; an id is given once."""
    row = cursor.execute(
        "select greatest((select max(instrument_id) from history.current_instruments),"
        " (select max(instrument_id) from history.past_instrument_versions), 0)"
    ).fetchone()
    return int(row[0]) if row else 0


def remember_before(
    cursor: Cursor, versioned: Versioned, publication_id: int, touched: str
) -> None:
    """Keep the rows as they were before the publication that is going on, by their key."""
    published = versioned.published
    cursor.execute(
        statements.BEFORE.format(
            before=sql.Identifier(BEFORE[touched]),
            key=rows.columns(published.key, "r"),
            published=published.identifier,
            publication=sql.Literal(publication_id),
            name=sql.Literal(published.name),
        )
    )
    cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(BEFORE[touched])))


def _parts(
    versioned: Versioned, difference: TableDifference | None, touched: str, as_of: date
) -> dict[str, sql.Composable]:
    published = versioned.published
    return {
        "touched": sql.Identifier(touched),
        "keys": _keys(versioned, difference),
        "published": published.identifier,
        "before": sql.Identifier(BEFORE[touched]),
        "past": versioned.past,
        "as_of": sql.Literal(as_of),
        "base": statements.BASE.format(published=published.identifier),
    }


def _keys(versioned: Versioned, difference: TableDifference | None) -> sql.Composable:
    """The keys to look at: those of the plan; all, when the table was empty before."""
    published = versioned.published
    key = rows.columns(published.key)
    if difference is not None and difference.plan_table is not None:
        return sql.SQL("select {} from {}").format(key, difference.plan_table)
    if difference is None:
        return sql.SQL("select {} from {} where false").format(key, published.identifier)
    return sql.SQL("select {0} from {1} union select {0} from {2}").format(
        key, published.identifier, versioned.current
    )


def _judge(cursor: Cursor, versioned: Versioned, touched: str, as_of: date) -> None:
    name = sql.Identifier(touched)
    cursor.execute(
        statements.JUDGE.format(
            touched=name,
            as_of=sql.Literal(as_of),
            old_differs=differ(versioned, "old_row", "new_row"),
            base_differs=differ(versioned, "base_row", "new_row"),
        )
    )
    cursor.execute(_FORGET_UNTOUCHED.format(touched=name, as_of=sql.Literal(as_of)))
    cursor.execute(sql.SQL("analyze {}").format(name))


# What began on the day itself is told anew by a second publication of the day.
_FORGET_UNTOUCHED = sql.SQL("""
delete from {touched} as t
where
    t.base_from is null
    and (t.is_same and t.old_from < {as_of} or not (t.has_old or t.has_new))
""")
