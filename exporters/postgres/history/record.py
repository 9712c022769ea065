"""Write a publication into schema `history`, inside its transaction."""

from __future__ import annotations

from datetime import date

from psycopg import sql

from exporters.postgres.content import Applied
from exporters.postgres.errors import OlderThanPublished
from exporters.postgres.history import touched
from exporters.postgres.history.events import BrokersRead, record_events
from exporters.postgres.history.follow import follow_overrides
from exporters.postgres.history.shape import ensure_history
from exporters.postgres.history.versioned import Versioned
from exporters.postgres.history.versions import apply_touched
from exporters.postgres.ledger import Facts
from exporters.postgres.override_rules import Override
from exporters.postgres.rows import columns
from exporters.postgres.session import UNCHANGED, Cursor, settings
from exporters.postgres.views import Rights

CONTINUITY = "instrument_continuity"

_LAST_DAY = """
select publication_id, as_of_date from ops.publications
where publication_id < %s order by publication_id desc limit 1
"""

_ALL_INSTRUMENTS = sql.SQL("""
insert into history.current_instruments (instrument_id, canonical_id, valid_from, publication_id)
select {highest} + row_number() over (), canonical_id, {as_of}, {publication} from {published}
""")

_ALL_BROKERS = sql.SQL("""
insert into {current} ({key}, valid_from, publication_id)
select {key}, {as_of}, {publication} from {published}
""")

_BROKERS_BEFORE = sql.SQL("""
select s.broker from (select distinct broker from {named}) as s
where
    exists (select from {current} as c where c.broker = s.broker and c.valid_from < {as_of})
    or exists (
        select from {past} as p
        where p.valid_to = {as_of} and p.superseded_by is null and p.broker = s.broker
    )
""")

_BROKERS_NOW = sql.SQL("""
select s.broker from (select distinct broker from {named}) as s
where exists (select from {published} as m where m.broker = s.broker)
""")


def refuse_older_day(cursor: Cursor, as_of: date) -> None:
    """History goes forward: a day before the last published one has no place in it.

    Raises:
        OlderThanPublished: Naming both days, and the ways to do it nevertheless.
    """
    row = cursor.execute(_LAST_DAY, [2**62]).fetchone()
    if row is not None and as_of < row[1]:
        raise OlderThanPublished(
            f"the as-of date {as_of} is before {row[1]}, which publication {row[0]} has published",
            expected=f"a dump of {row[1]} or later",
            consumers=UNCHANGED,
            remedy="`warehouse rollback` puts an earlier publication back, `warehouse backfill`"
            " puts days before the first published one",
        )


def record_publication(
    cursor: Cursor, publication_id: int, facts: Facts, applied: Applied, rights: Rights
) -> tuple[Override, ...]:
    """Write the versions and events of a publication whose content has just been applied.

    Args:
        cursor: Inside the publication's transaction.
        publication_id: Its number.
        facts: What it is about; its as-of date is not before that of the last one.
        applied: Its differences: only what they name is looked at.
        rights: On views of history that stepped aside for a column's new type, by name.

    Returns:
        Overrides that were dropped: of instruments that left, whose id now names another.
    """
    history = ensure_history(cursor, rights)
    if history is None:
        return ()
    instruments, brokers = history
    as_of = facts.as_of_date
    if not _has_rows(cursor):
        highest = touched.highest_id(cursor)
        record_all(cursor, instruments, brokers, publication_id, as_of, highest=highest)
        return ()
    # Nobody has looked at the young tables yet: a merge would sort them whole.
    with settings(cursor, enable_mergejoin="off"):
        is_again = _is_again(cursor, publication_id, as_of)
        # A second publication of a day tells anew of brokers that its difference does not name.
        plan = None if is_again else _plan(brokers, applied)
        before = _brokers_before(cursor, brokers, plan, as_of)
        touched.find_instruments(
            cursor, instruments, applied.differences.get(instruments.published.name),
            publication_id, as_of, has_continuity=CONTINUITY in applied.tables,
        )  # fmt: skip
        apply_touched(cursor, instruments, touched.INSTRUMENTS, publication_id, as_of)
        touched.find_brokers(
            cursor, brokers, applied.differences.get(brokers.published.name), publication_id, as_of,
            is_again=is_again,
        )  # fmt: skip
        apply_touched(cursor, brokers, touched.BROKERS, publication_id, as_of)
        read = BrokersRead(before, _brokers_now(cursor, brokers, plan))
        record_events(cursor, instruments, brokers, publication_id, facts, read=read)
    return follow_overrides(cursor, touched.INSTRUMENTS)


def record_all(
    cursor: Cursor,
    instruments: Versioned,
    brokers: Versioned,
    publication_id: int,
    as_of: date,
    *,
    highest: int,
) -> None:
    """Begin with everything that is published: a version each, and no events.

    That everything is listed on the first day is no news; a row of it each would be as long as
    the tables themselves. No index either, but on the number: each costs as much as the rows.
    """
    parts = {"as_of": sql.Literal(as_of), "publication": sql.Literal(publication_id)}
    cursor.execute(
        _ALL_INSTRUMENTS.format(
            **parts,
            highest=sql.Literal(highest),
            published=instruments.published.identifier,
        )
    )
    cursor.execute(
        "create unique index if not exists current_instruments_by_id"
        " on history.current_instruments (instrument_id)"
    )
    cursor.execute(
        _ALL_BROKERS.format(
            **parts,
            current=brokers.current,
            key=columns(brokers.published.key),
            published=brokers.published.identifier,
        )
    )


def _has_rows(cursor: Cursor) -> bool:
    row = cursor.execute("select exists (select from history.current_instruments)").fetchone()
    return bool(row and row[0])


def _is_again(cursor: Cursor, publication_id: int, as_of: date) -> bool:
    """Whether the day was published before."""
    row = cursor.execute(
        "select exists (select from ops.publications"
        " where as_of_date = %s and publication_id < %s)",
        [as_of, publication_id],
    ).fetchone()
    return bool(row and row[0])


def _plan(brokers: Versioned, applied: Applied) -> sql.Composable | None:
    """The rows in which the brokers' table differs; None to look at all of them."""
    difference = applied.differences.get(brokers.published.name)
    return None if difference is None else difference.plan_table


def _brokers_before(
    cursor: Cursor, brokers: Versioned, plan: sql.Composable | None, as_of: date
) -> tuple[str, ...]:
    """The brokers that were read on the day before, of those of the plan.

    That is what began before the day, and what an earlier publication of the day has ended.
    """
    found = cursor.execute(
        _BROKERS_BEFORE.format(
            named=plan or brokers.published.identifier,
            current=brokers.current,
            past=brokers.past,
            as_of=sql.Literal(as_of),
        )
    ).fetchall()
    return tuple(broker for (broker,) in found)


def _brokers_now(
    cursor: Cursor, brokers: Versioned, plan: sql.Composable | None
) -> tuple[str, ...]:
    """The brokers that are read, of those of the plan: one that is switched off lists nothing."""
    published = brokers.published.identifier
    found = cursor.execute(
        _BROKERS_NOW.format(named=plan or published, published=published)
    ).fetchall()
    return tuple(broker for (broker,) in found)
