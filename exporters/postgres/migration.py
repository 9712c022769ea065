"""Bring the shape of a published table to the candidate's, or say why that cannot be done.

Added columns, new or gone checks, `not null` either way and lossless widenings are applied;
a dropped or otherwise retyped column and another primary key (but for those of `rekey`) are a
person's decision, since other people's views, keys and programs hang on the published table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from psycopg import errors, sql

from exporters.errors import DestinationRefused
from exporters.postgres.catalog import Column, Relation
from exporters.postgres.column_types import is_lossless
from exporters.postgres.rekey import Rekey, known_rekey
from exporters.postgres.session import UNCHANGED, Cursor, waiting_for


@dataclass(frozen=True, slots=True)
class Step:
    """One change of shape: the rest of an `alter table` statement, and what it does in words."""

    clause: sql.Composed
    told: str


@dataclass(frozen=True, slots=True)
class Migration:
    """What brings a published table to the candidate's shape.

    Attributes:
        table: The published table.
        before: Steps that let it take the candidate's rows.
        after: Steps that its new content has to satisfy.
        retyped: Columns whose type is widened: views on them have to step aside.
        rekey: Another primary key, dropped in `before`, made again when the content is there.
    """

    table: Relation
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    retyped: tuple[str, ...] = ()
    rekey: Rekey | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The steps in words."""
        return tuple(f"{self.table}: {step.told}" for step in (*self.before, *self.after))


def plan_migration(candidate: Relation, published: Relation) -> Migration:
    """The steps from the published shape to the candidate's; empty when they agree.

    Raises:
        DestinationRefused: It would take a step that others have to agree to.
    """
    rekey = known_rekey(candidate, published)
    _refuse_what_is_not_ours(candidate, published, rekey)
    before: list[Step] = [_drop_key(published, rekey)] if rekey else []
    after: list[Step] = []
    retyped: list[str] = []
    for wanted in candidate.columns:
        held = published.column(wanted.name)
        if held is None:
            before.append(_add_column(wanted))
        elif held.type != wanted.type:
            before.append(_widen(wanted, held))
            retyped.append(wanted.name)
        if wanted.is_required and not (held and held.is_required):
            after.append(_column_step("set not null", wanted))
        elif held and held.is_required and not wanted.is_required:
            before.append(_column_step("drop not null", wanted))
    before += [
        Step(sql.SQL("drop constraint {}").format(sql.Identifier(name)), f"drop {definition}")
        for definition, name in published.checks.items()
        if definition not in candidate.checks
    ]
    after += [
        Step(sql.Composed([sql.SQL("add "), sql.SQL(definition)]), f"add {definition}")
        for definition in candidate.checks
        if definition not in published.checks
    ]
    return Migration(published, tuple(before), tuple(after), tuple(retyped), rekey)


def apply_steps(cursor: Cursor, table: Relation, steps: tuple[Step, ...]) -> None:
    """Alter the table, or give up soon: whoever waits for it blocks every reader behind it.

    Raises:
        DestinationUnavailable: A reader holds the table for longer than the lock timeout.
        DestinationRefused: Something that others made depends on what has to change.
    """
    if not steps:
        return
    statement = sql.SQL("alter table {} {}").format(
        table.identifier, sql.SQL(", ").join(step.clause for step in steps)
    )
    what = f"a change of {table} ({'; '.join(step.told for step in steps)})"
    try:
        with waiting_for(what, table.identifier.as_string(), cursor):
            cursor.execute(statement)
    except (errors.FeatureNotSupported, errors.DependentObjectsStillExist) as error:
        raise DestinationRefused(
            f"{what} is blocked by what depends on it: "
            f"{error.diag.message_primary} - {error.diag.message_detail or ''}",
            consumers=UNCHANGED,
            remedy="Drop or change what depends on it, publish, and make it again",
        ) from error


def migrated(candidate: Relation, migration: Migration) -> Relation:
    """The published table as it is after the steps `before`; rows are told apart by its new key."""
    published = migration.table
    added = tuple(
        replace(column, is_required=False)
        for column in candidate.columns
        if published.column(column.name) is None
    )
    key = candidate.key if migration.rekey else published.key
    return replace(published, columns=published.columns + added, key=key)


def _refuse_what_is_not_ours(candidate: Relation, published: Relation, rekey: Rekey | None) -> None:
    if candidate.kind != published.kind:
        _refuse(
            f"{candidate} is a {candidate.kind}, {published} a {published.kind}",
            f"Drop {published.kind} {published} when nothing depends on it",
        )
    if candidate.key != published.key and not rekey:
        _refuse(
            f"the primary key of {published} is {published.key}, that of {candidate} "
            f"{candidate.key}",
            f"Change the primary key of {published} by hand when nothing refers to it",
        )
    for held in published.columns:
        wanted = candidate.column(held.name)
        if wanted is None:
            _refuse(
                f"{published} has column {held.name} {held.type}, which {candidate} lacks",
                f"Put the column back in the model, or, when nobody reads it: "
                f"alter table {published} drop column {held.name}",
            )
        elif not is_lossless(held.type, wanted.type):
            _refuse(
                f"{published}.{held.name} is {held.type}, {candidate}.{held.name} is {wanted.type}",
                f"Keep {held.type} in the model, or, when every value fits and nobody minds: "
                f"alter table {published} alter column {held.name} type {wanted.type}",
            )


def _refuse(seen: str, remedy: str) -> None:
    raise DestinationRefused(
        seen,
        expected="the published shape, with columns added or losslessly widened",
        consumers=UNCHANGED,
        remedy=remedy,
    )


def _drop_key(published: Relation, rekey: Rekey) -> Step:
    clause = sql.SQL("drop constraint {}").format(sql.Identifier(published.key_name))
    return Step(clause, f"change primary key from {', '.join(rekey.old)} to {', '.join(rekey.new)}")


def _add_column(column: Column) -> Step:
    # Nullable first: its values come with the difference.
    clause = sql.SQL("add column {} {}").format(sql.Identifier(column.name), _type(column))
    return Step(clause, f"add column {column.name} {column.type}")


def _widen(wanted: Column, held: Column) -> Step:
    clause = sql.SQL("alter column {} type {}").format(sql.Identifier(wanted.name), _type(wanted))
    return Step(clause, f"widen {wanted.name} from {held.type} to {wanted.type}")


def _column_step(action: str, column: Column) -> Step:
    clause = sql.SQL("alter column {} {}").format(sql.Identifier(column.name), sql.SQL(action))
    return Step(clause, f"{action} on {column.name}")


def _type(column: Column) -> sql.SQL:
    return sql.SQL(column.type)  # `format_type` quotes what needs it
