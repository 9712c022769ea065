"""The difference of one published table: planned, applied, logged, read back.

One full outer join on the primary key finds the rows to add, change and remove, and keeps
them in a temporary table; only those rows are touched.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from exporters.destination import Plan
from exporters.errors import VerificationError
from exporters.postgres import rows
from exporters.postgres.catalog import Relation
from exporters.postgres.samples import sample_rows
from exporters.postgres.session import UNCHANGED, Cursor

_PLAN = sql.SQL("""
create temporary table {plan} on commit drop as
select
    {key},
    case
        when m.{first} is null then 'added' when c.{first} is null then 'removed' else 'changed'
    end as _difference
from {published} as m
full outer join {candidate} as c on {same_key}
where {differs}
""")

_FILL = sql.SQL("insert into {published} ({columns}) select {values} from {candidate} as c")

_REMOVE = sql.SQL(
    "delete from {published} as m using {plan} as p where {same_key} and p._difference = 'removed'"
)

_CHANGE = sql.SQL("""
update {published} as m set ({attributes}) = row({attribute_values})
from {candidate} as c
inner join {plan} as p on {candidate_key}
where {same_key} and p._difference = 'changed'
""")

_ADD = sql.SQL("""
insert into {published} ({columns})
select {values} from {candidate} as c inner join {plan} as p on {candidate_key}
where p._difference = 'added'
""")

_LOG = sql.SQL("""
insert into history.publication_changes (publication_id, table_name, key, change, before)
select %(publication_id)s, %(table)s, {key}, p._difference, to_jsonb(m)
from {plan} as p
left join {published} as m on {same_key}
""")

_READ_BACK = sql.SQL("""
select
    count(*) filter (where {differs}), count(c.{first}), count(m.{first}),
    coalesce(sum(hash_record_extended(m, 0)) filter (where m.{first} is not null), 0)::text
from {published} as m
full outer join {candidate} as c on {same_key}
""")

# Of the values themselves: half the time of their text, and no setting of a session matters.
_DIGEST = sql.SQL(
    "select count(*), coalesce(sum(hash_record_extended(m, 0)), 0)::text from {} as m"
)


@dataclass(frozen=True, slots=True)
class TableState:
    """What a table holds, in a few bytes.

    Attributes:
        rows: How many rows.
        digest: The sum of a 64-bit hash of each row; the order of rows does not count.
    """

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class TableDifference:
    """The difference of one table, planned.

    Attributes:
        candidate: What it should hold; of the published shape, columns in any order.
        published: The table.
        plan_table: The temporary table of keys; None when the whole candidate is added.
        was_empty: Whether the table held nothing: such a difference is undone by emptying it.
        plan: Counts and samples.
    """

    candidate: Relation
    published: Relation
    plan_table: sql.Identifier | None
    was_empty: bool
    plan: Plan


def plan_table(
    cursor: Cursor, candidate: Relation, published: Relation, *, position: int
) -> TableDifference:
    """Find the rows that differ.

    Args:
        cursor: Inside the publication's transaction.
        candidate: What the table should hold.
        published: The table, already of the candidate's shape.
        position: Its place among the tables, for the name of the temporary table.
    """
    if not _has_rows(cursor, published):
        added = count_rows(cursor, candidate)
        return TableDifference(candidate, published, None, was_empty=True, plan=Plan(added=added))
    plan = sql.Identifier(f"publish_plan_{position}")
    key = [sql.Identifier(name) for name in published.key]
    cursor.execute(
        _PLAN.format(
            plan=plan,
            key=rows.COMMA.join(
                sql.SQL("coalesce(c.{0}, m.{0}) as {0}").format(name) for name in key
            ),
            first=key[0],
            published=published.identifier,
            candidate=candidate.identifier,
            same_key=rows.same_key(published.key, "m", "c"),
            differs=rows.differs(published, "m", "c"),
        )
    )
    if cursor.rowcount == 0:
        return TableDifference(candidate, published, plan, was_empty=False, plan=Plan())
    cursor.execute(sql.SQL("analyze {}").format(plan))
    counted = _counted(cursor, candidate, published, plan)
    return TableDifference(candidate, published, plan, was_empty=False, plan=counted)


def apply_difference(cursor: Cursor, difference: TableDifference) -> None:
    """Write the difference, and nothing else."""
    candidate, published = difference.candidate, difference.published
    attributes = [name for name in published.column_names if name not in published.key]
    parts: dict[str, sql.Composable] = {
        "published": published.identifier,
        "candidate": candidate.identifier,
        "columns": rows.columns(published.column_names),
        "values": rows.columns(published.column_names, "c"),
        "attributes": rows.columns(attributes),
        "attribute_values": rows.columns(attributes, "c"),
        "same_key": rows.same_key(published.key, "m", "p"),
        "candidate_key": rows.same_key(published.key, "c", "p"),
    }
    if difference.plan_table is None:
        cursor.execute(_FILL.format(**parts))
        return
    parts["plan"] = difference.plan_table
    # Removed first, added last: a value that must be unique may pass from one row to another.
    if difference.plan.removed:
        cursor.execute(_REMOVE.format(**parts))
    if difference.plan.changed:
        cursor.execute(_CHANGE.format(**parts))
    if difference.plan.added:
        cursor.execute(_ADD.format(**parts))


def log_undo(cursor: Cursor, difference: TableDifference, publication_id: int) -> None:
    """Keep the rows as they are before the difference is applied.

    A table that was empty needs none to become empty again.
    """
    if difference.plan_table is None or difference.plan.is_empty:
        return
    published = difference.published
    cursor.execute(
        _LOG.format(
            key=rows.key_object(published.key, "p"),
            plan=difference.plan_table,
            published=published.identifier,
            same_key=rows.same_key(published.key, "p", "m"),
        ),
        {"publication_id": publication_id, "table": published.name},
    )


def read_back(cursor: Cursor, difference: TableDifference) -> TableState:
    """Compare the whole table with the candidate once more, unless nothing was written to it.

    Raises:
        VerificationError: They differ: a trigger or a rule changed what was written.
    """
    published = difference.published
    if difference.plan.is_empty:
        return table_state(cursor, published)
    row = cursor.execute(
        _READ_BACK.format(
            differs=rows.differs(published, "m", "c"),
            first=sql.Identifier(published.key[0]),
            published=published.identifier,
            candidate=difference.candidate.identifier,
            same_key=rows.same_key(published.key, "m", "c"),
        )
    ).fetchone()
    different, wanted, held, digest = row or (0, 0, 0, "")
    if different:
        raise VerificationError(
            f"{published} holds {held} rows after the publication, of which {different} differ",
            expected=f"the {wanted} rows of {difference.candidate}",
            consumers=UNCHANGED,
            remedy=f"Look for triggers and rules on {published} that change what is written",
        )
    return TableState(held, digest)


def table_state(cursor: Cursor, table: Relation) -> TableState:
    """What a table holds now."""
    row = cursor.execute(_DIGEST.format(table.identifier)).fetchone()
    return TableState(*(row or (0, "0")))


def _counted(
    cursor: Cursor, candidate: Relation, published: Relation, plan: sql.Identifier
) -> Plan:
    counts: dict[str, int] = dict(
        cursor.execute(
            sql.SQL("select _difference, count(*) from {} group by _difference").format(plan)
        ).fetchall()
    )
    return Plan(
        added=counts.get("added", 0),
        changed=counts.get("changed", 0),
        removed=counts.get("removed", 0),
        samples=sample_rows(cursor, candidate, published, plan),
    )


def _has_rows(cursor: Cursor, table: Relation) -> bool:
    row = cursor.execute(
        sql.SQL("select exists (select from {})").format(table.identifier)
    ).fetchone()
    return bool(row and row[0])


def count_rows(cursor: Cursor, table: Relation) -> int:
    """How many rows a table holds now."""
    row = cursor.execute(sql.SQL("select count(*) from {}").format(table.identifier)).fetchone()
    return int(row[0]) if row else 0
