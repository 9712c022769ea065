"""Let history believe again what it believed at an earlier publication: a rollback."""

from __future__ import annotations

from psycopg import sql

from exporters.postgres import rows
from exporters.postgres.history import touched
from exporters.postgres.history.events import COLUMNS as EVENT_COLUMNS
from exporters.postgres.history.follow import follow_overrides
from exporters.postgres.history.record import record_all
from exporters.postgres.history.shape import ensure_history
from exporters.postgres.history.versioned import Versioned
from exporters.postgres.ledger import Facts
from exporters.postgres.override_rules import Override
from exporters.postgres.session import Cursor

GONE = "history_rewound"

_KEYS = {False: ("canonical_id",), True: ("broker", "exchange", "broker_token")}

# What was recorded since and holds now, with the row as it was when the rollback began.
_TAKE_BACK = sql.SQL("""
create temporary table {gone} on commit drop as
select
    {instrument_id} as instrument_id, {key}, c.valid_from, c.publication_id,
    coalesce(b.old_row, m) as old_row
from {current} as c
left join {before} as b on {same_before}
left join {published} as m on {same_published}
{identity}
where c.publication_id > {target};

insert into {past} (
    instrument_id, {columns}, valid_from, recorded_at, publication_id, superseded_by
)
select
    t.instrument_id, {old_values}, t.valid_from, u.published_at, t.publication_id, {publication}
from {gone} as t
inner join ops.publications as u on u.publication_id = t.publication_id;

delete from {current} as c where c.publication_id > {target};

update {past} as p set superseded_by = {publication}
where p.superseded_by is null and p.changed_by > {target};
""")

# What was believed then and was superseded since, by this rollback or before it.
_PUT_BACK = sql.SQL("""
insert into {current} ({current_key}, valid_from, publication_id)
select {then_key}, p.valid_from, {publication}
from {past} as p
where {then} and (p.closed_by is null or p.closed_by > {target});

insert into {past} (
    instrument_id, {columns}, valid_from, valid_to, recorded_at, publication_id, closed_by
)
select
    p.instrument_id, {then_columns}, p.valid_from, p.valid_to, {published_at}, {publication},
    p.closed_by
from {past} as p
where {then} and p.closed_by <= {target};
""")

_THEN = sql.SQL("p.changed_by > {target} and p.publication_id <= {target}"
                " and p.superseded_by > {target}")  # fmt: skip

_EVENTS = sql.SQL("""
update history.instrument_events as e set superseded_by = {publication}
where e.superseded_by is null and greatest(e.publication_id, e.superseded_by) > {target};

insert into history.instrument_events ({columns}, publication_id, recorded_at)
select {then_columns}, {publication}, {published_at}
from history.instrument_events as e
where
    greatest(e.publication_id, e.superseded_by) > {target}
    and e.publication_id <= {target}
    and e.superseded_by > {target}
order by e.event_id;
""")

_MAPPED = sql.SQL("""
create temporary table {mapped} on commit drop as
select
    true as has_old, g.canonical_id as old_canonical_id, c.canonical_id as new_canonical_id
from {gone} as g
left join history.current_instruments as c on c.instrument_id = g.instrument_id
""")

_KEEP_NUMBERS = sql.SQL("""
update history.instrument_events set superseded_by = {publication} where superseded_by is null;

update history.current_instruments as c set instrument_id = g.instrument_id
from {gone} as g
where g.canonical_id = c.canonical_id;
""")

# All publications that consumers were shown have a number above.
_EVERYTHING = 0


def record_rollback(
    cursor: Cursor, publication_id: int, facts: Facts, target: int
) -> tuple[Override, ...]:
    """Take back what was recorded after the target, and believe what was believed then.

    Args:
        cursor: Inside the rollback's transaction, its content being applied.
        publication_id: The number of the rollback.
        facts: What it is about.
        target: The publication that was put back.

    Returns:
        Overrides that were dropped, as for `record_publication`.
    """
    history = ensure_history(cursor)
    if history is None:
        return ()
    instruments, brokers = history
    if target < first_remembered(cursor, publication_id):
        _begin_anew(cursor, instruments, brokers, publication_id, facts)
        return ()
    # Brokers first: which instrument a row was is read from the instruments as they were.
    for one in (brokers, instruments):
        _take_back(cursor, one, publication_id, target)
    for one in (instruments, brokers):
        _put_back(cursor, one, publication_id, facts, target)
    cursor.execute(
        _EVENTS.format(
            publication=sql.Literal(publication_id),
            target=sql.Literal(target),
            published_at=sql.Literal(facts.published_at),
            columns=rows.columns(EVENT_COLUMNS),
            then_columns=rows.columns(EVENT_COLUMNS, "e"),
        )
    )
    mapped = f"{GONE}_map"
    cursor.execute(_MAPPED.format(mapped=sql.Identifier(mapped), gone=_gone(instruments)))
    return follow_overrides(cursor, mapped)


def _gone(versioned: Versioned) -> sql.Identifier:
    return sql.Identifier(f"{GONE}_{versioned.published.name}")


def _take_back(cursor: Cursor, versioned: Versioned, publication_id: int, target: int) -> None:
    name = touched.BROKERS if versioned.is_of_brokers else touched.INSTRUMENTS
    touched.remember_before(cursor, versioned, publication_id, name)
    key = _KEYS[versioned.is_of_brokers]
    names = rows.COMMA.join(
        sql.SQL("(t.old_row).{}").format(sql.Identifier(column)) for column in versioned.names
    )
    cursor.execute(
        _TAKE_BACK.format(
            gone=_gone(versioned),
            before=sql.Identifier(touched.BEFORE[name]),
            past=versioned.past,
            current=versioned.current,
            published=versioned.published.identifier,
            instrument_id=sql.Identifier("i" if versioned.is_of_brokers else "c", "instrument_id"),
            identity=_IDENTITY if versioned.is_of_brokers else sql.SQL(""),
            key=rows.columns(key, "c"),
            same_before=rows.same_key(key, "b", "c"),
            same_published=rows.same_key(key, "m", "c"),
            columns=rows.columns(versioned.names),
            old_values=names,
            publication=sql.Literal(publication_id),
            target=sql.Literal(target),
        )
    )


_IDENTITY = sql.SQL(
    "left join history.current_instruments as i"
    " on i.canonical_id = (coalesce(b.old_row, m)).canonical_id"
)


def _put_back(
    cursor: Cursor, versioned: Versioned, publication_id: int, facts: Facts, target: int
) -> None:
    key = _KEYS[versioned.is_of_brokers]
    current_key = key if versioned.is_of_brokers else ("instrument_id", *key)
    cursor.execute(
        _PUT_BACK.format(
            past=versioned.past,
            current=versioned.current,
            current_key=rows.columns(current_key),
            then_key=rows.columns(current_key, "p"),
            columns=rows.columns(versioned.names),
            then_columns=rows.columns(versioned.names, "p"),
            then=_THEN.format(target=sql.Literal(target)),
            publication=sql.Literal(publication_id),
            published_at=sql.Literal(facts.published_at),
            target=sql.Literal(target),
        )
    )


def first_remembered(cursor: Cursor, publication_id: int) -> int:
    """The first publication that history knows of; the given one where it knows of none."""
    row = cursor.execute(
        "select least((select min(publication_id) from history.current_instruments),"
        " (select min(publication_id) from history.past_instrument_versions))"
    ).fetchone()
    return publication_id if row is None or row[0] is None else int(row[0])


def _begin_anew(
    cursor: Cursor, instruments: Versioned, brokers: Versioned, publication_id: int, facts: Facts
) -> None:
    """To a publication of before there was a history: it begins again with what is published.

    An instrument keeps its number by its id.
    """
    highest = touched.highest_id(cursor)
    for one in (brokers, instruments):
        _take_back(cursor, one, publication_id, _EVERYTHING)
    record_all(cursor, instruments, brokers, publication_id, facts.as_of_date, highest=highest)
    cursor.execute(
        _KEEP_NUMBERS.format(publication=sql.Literal(publication_id), gone=_gone(instruments))
    )
