"""The rows of `public.instruments`: brought to the publication by difference.

Rows of other sources that the dump does not hold, `security_id`, and every column that is not
ours stay as they are. A row that left the dump becomes inactive, and is deleted unless a
foreign key of any kind points at it: our delete never cascades.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import errors, sql

from exporters.destination import SAMPLE_LINES, Plan
from exporters.errors import DestinationRefused, VerificationError
from exporters.postgres import rows
from exporters.postgres.catalog import Relation
from exporters.postgres.column_types import is_lossless
from exporters.postgres.legacy_shape import COLUMNS, INSTRUMENTS, KEY
from exporters.postgres.references import keep_referenced
from exporters.postgres.samples import told_changes
from exporters.postgres.session import UNCHANGED, Cursor

OUR_SOURCE = "kite"

WRITTEN = frozenset(COLUMNS) - {KEY, "last_updated", "security_id"}

_OURS = sql.SQL("coalesce(i.source, {source}) = {source}").format(source=sql.Literal(OUR_SOURCE))

_PLAN = sql.SQL("""
create temporary table publish_instruments on commit drop as
select
    coalesce(e.instrument_token, i.instrument_token) as instrument_token,
    {values},
    case
        when e.instrument_token is null then 'removed'
        when i.instrument_token is null then 'added'
        else 'changed'
    end as change
from {instruments} as i
full outer join {wanted} as e on e.instrument_token = i.instrument_token
where {differs}
""")

# A null is_active says the same as false. A row that left the dump differs while it is there.
_DIFFERS = sql.SQL("""
    case
        when e.instrument_token is not null
            then
                i.instrument_token is null
                or row({held}) is distinct from row({values})
        else i.instrument_token is not null and {ours} and {departed}
    end
""")

_CHANGE = sql.SQL("""
update {instruments} as i set ({columns}, last_updated) = row({planned}, %(now)s)
from publish_instruments as p
where p.instrument_token = i.instrument_token and p.change = 'changed'
""")

# A symbol passes from one token to another: where somebody made symbols unique, the rows have to
# let go of theirs first.
_LET_GO = sql.SQL("""
update {instruments} as i set trading_symbol = 'moving ' || i.instrument_token
from publish_instruments as p
where
    p.instrument_token = i.instrument_token
    and p.change = 'changed'
    and p.trading_symbol <> i.trading_symbol
""")

_ADD = sql.SQL("""
insert into {instruments} (instrument_token, {columns}, last_updated)
select p.instrument_token, {planned}, %(now)s from publish_instruments as p
where p.change = 'added'
""")

_DEACTIVATE = sql.SQL("""
update {instruments} as i set is_active = false, last_updated = %(now)s
from publish_instruments as p
where p.instrument_token = i.instrument_token and p.change = 'removed' and i.is_active
""")

_REMOVE = sql.SQL("""
delete from {instruments} as i using publish_departed as d
where d.instrument_token = i.instrument_token
""")

_DIFFERENT = sql.SQL("""
select count(*), (array_agg(coalesce(e.instrument_token, i.instrument_token)))[:5]
from {instruments} as i
full outer join {wanted} as e on e.instrument_token = i.instrument_token
where {differs}
""")

_SAMPLES = sql.SQL("""
select p.change, p.instrument_token, to_jsonb(i), to_jsonb(p)
from (
    (select * from publish_instruments where change = 'added' order by 1 limit {lines})
    union all
    (select * from publish_instruments where change = 'changed' order by 1 limit {lines})
    union all
    (select * from publish_instruments where change = 'removed' order by 1 limit {lines})
) as p
left join {instruments} as i on i.instrument_token = p.instrument_token
order by p.change, p.instrument_token
""")


@dataclass(frozen=True, slots=True)
class Legacy:
    """`public.instruments` and the published view that says what it should hold."""

    table: Relation
    wanted: Relation

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that we write, but for the key and `last_updated`."""
        return tuple(name for name in self.wanted.column_names if name in WRITTEN)


def refuse_losses(cursor: Cursor, legacy: Legacy) -> None:
    """Check values against columns that are narrower than the view's: never rounded, never cut.

    Raises:
        DestinationRefused: A value does not fit.
    """
    for column in legacy.wanted.columns:
        held = legacy.table.column(column.name)
        if held is None or is_lossless(column.type, held.type):
            continue
        query = sql.SQL(
            "select count(*), min({key}) from {wanted} where {name}::{type} is distinct from {name}"
        ).format(
            key=sql.Identifier(KEY), wanted=legacy.wanted.identifier,
            name=sql.Identifier(column.name), type=sql.SQL(held.type),
        )  # fmt: skip
        what = f"{legacy.table}.{column.name} {held.type} cannot hold a {column.name} of ours"
        try:
            count, token = cursor.execute(query).fetchone() or (0, None)
        except psycopg.DataError as error:
            raise _does_not_fit(f"{what}: {error.diag.message_primary}") from error
        if count:
            raise _does_not_fit(f"{what}: {count} would be rounded or cut, such as {KEY} {token}")


def apply_instruments(cursor: Cursor, legacy: Legacy, *, now: datetime) -> Plan:
    """Bring the table to the published view.

    Args:
        cursor: Inside the transaction, holding the table against writers.
        legacy: The table and what it should hold.
        now: What `last_updated` becomes in the rows that change.

    Returns:
        What was done. Rows that left the dump and are kept count as changed when they were active.
    """
    parts = _parts(legacy)
    cursor.execute(_PLAN.format(**parts, differs=_differs(legacy, sql.SQL("true"))))
    if cursor.rowcount == 0:
        return Plan()
    cursor.execute("analyze publish_instruments")
    counts: dict[str, int] = dict(
        cursor.execute("select change, count(*) from publish_instruments group by change")
    )
    samples = _samples(cursor, legacy)
    time = {"now": now}
    deactivated = kept = 0
    removed = counts.get("removed", 0)
    if removed:
        kept, deactivated = _remove(cursor, legacy, parts, time)
    if counts.get("changed"):
        _change(cursor, parts, time)
    if counts.get("added"):
        cursor.execute(_ADD.format(**parts), time)
    return Plan(
        added=counts.get("added", 0),
        changed=counts.get("changed", 0) + deactivated,
        removed=removed - kept,
        samples=samples,
        note=f"{kept} that left the dump are kept inactive: something refers to them"
        if kept
        else "",
    )


def verify_instruments(cursor: Cursor, legacy: Legacy) -> None:
    """Compare the table with the published view once more.

    Raises:
        VerificationError: They differ: a trigger or a rule changed what was written.
    """
    count, tokens = different_rows(cursor, legacy)
    if count:
        raise VerificationError(
            f"{legacy.table} differs in {count} rows after the publication, such as tokens "
            f"{tokens}",
            expected=f"the rows of {legacy.wanted}, and none active beside them",
            consumers=UNCHANGED,
            remedy=f"Look for triggers and rules on {legacy.table} that change what is written",
        )


def different_rows(cursor: Cursor, legacy: Legacy) -> tuple[int, list[int]]:
    """How many rows are not as published, and a few of their tokens.

    A row that left the dump is as published when it is inactive.
    """
    query = _DIFFERENT.format(
        **_parts(legacy), differs=_differs(legacy, sql.SQL("coalesce(i.is_active, false)"))
    )
    count, tokens = cursor.execute(query).fetchone() or (0, None)
    return count, tokens or []


def _change(cursor: Cursor, parts: dict[str, sql.Composable], time: dict[str, Any]) -> None:
    try:
        with cursor.connection.transaction():
            cursor.execute(_CHANGE.format(**parts), time)
    except errors.UniqueViolation:
        cursor.execute(_LET_GO.format(**parts))
        cursor.execute(_CHANGE.format(**parts), time)


def _remove(
    cursor: Cursor, legacy: Legacy, parts: dict[str, sql.Composable], time: dict[str, Any]
) -> tuple[int, int]:
    """Deactivate and delete what left; how many are kept, and how many of those were active."""
    kept = keep_referenced(cursor, legacy.table)
    active = cursor.execute(
        sql.SQL(
            "select count(*) from publish_instruments as p"
            " inner join {instruments} as i on i.instrument_token = p.instrument_token"
            " where p.change = 'removed' and i.is_active and not exists ("
            "select from publish_departed as d where d.instrument_token = p.instrument_token)"
        ).format(instruments=INSTRUMENTS)
    ).fetchone()
    # Even those that are deleted next: a rule or trigger may keep them.
    cursor.execute(_DEACTIVATE.format(**parts), time)
    cursor.execute(_REMOVE.format(**parts))
    return kept, int(active[0]) if active else 0


def _parts(legacy: Legacy) -> dict[str, sql.Composable]:
    return {
        "instruments": INSTRUMENTS,
        "wanted": legacy.wanted.identifier,
        "columns": rows.columns(legacy.columns),
        "values": rows.columns(legacy.columns, "e"),
        "planned": rows.columns(legacy.columns, "p"),
    }


def _differs(legacy: Legacy, departed: sql.SQL) -> sql.Composed:
    def side(alias: str) -> sql.Composed:
        return rows.COMMA.join(
            sql.SQL("coalesce({}, false)" if name == "is_active" else "{}").format(
                sql.Identifier(alias, name)
            )
            for name in legacy.columns
        )

    return _DIFFERS.format(held=side("i"), values=side("e"), ours=_OURS, departed=departed)


def _samples(cursor: Cursor, legacy: Legacy) -> dict[str, tuple[str, ...]]:
    samples: dict[str, tuple[str, ...]] = {}
    query = _SAMPLES.format(instruments=INSTRUMENTS, lines=sql.Literal(SAMPLE_LINES))
    for change, token, before, after in cursor.execute(query).fetchall():
        shown = {name: after[name] for name in legacy.columns}
        symbol = (before if change == "removed" else after)["trading_symbol"]
        line = f"{token} {symbol}"[:80]
        if change == "changed":
            line += ": " + told_changes(before, shown)
        samples[change] = (*samples.get(change, ()), line)
    return samples


def _does_not_fit(seen: str) -> DestinationRefused:
    return DestinationRefused(
        seen,
        expected="columns that hold every value exactly",
        consumers=UNCHANGED,
        remedy="Widen the column in public.instruments, then publish again",
    )
