"""The verb `rollback`: an earlier publication is put back everywhere, as a new one."""

from __future__ import annotations

from exporters.postgres import rollback_to
from warehouse import destinations
from warehouse.clock import Clock
from warehouse.display import Display, TimedStages
from warehouse.errors import UsageError
from warehouse.publications import (
    LastPublication,
    content_of,
    last_publication,
    publication,
    told_to_consumers,
)
from warehouse.recorded_run import finish, recorded_run
from warehouse.sample_guard import guard_export
from warehouse.settings import Settings
from warehouse.sync_request import SyncResult


def rollback(
    settings: Settings, clock: Clock, display: Display, *, to: int | None, dry_run: bool = False
) -> SyncResult:
    """Put an earlier publication back everywhere, as a new publication.

    Raises:
        UsageError: there is none before; or the last one is a rollback, and `to` does not say
            which way to go from it.
        ExportError: PostgreSQL refuses it, or goes away.
    """
    stages = TimedStages(display)
    with (
        recorded_run(settings, clock, stages, "rollback") as (warehouse, run),
        warehouse.transaction_connection() as connection,
    ):
        before = last_publication(connection)
        target = rollback_target(before, to, content_of(connection))
        wanted = publication(connection, target)
        if wanted is not None and not dry_run:
            guard_export(settings, wanted)
        display.note(f"Going back to publication {target}. {told_to_consumers(before)}.")
        run.update(stage="publish")
        with stages.stage("publish", f"putting publication {target} back") as stage:
            published = rollback_to(
                connection,
                target,
                run_id=run.run_id,
                published_at=clock.now(),
                destinations=destinations.names(warehouse),
                plan_only=dry_run,
            )
            told = f"publication {published.publication_id} has the content of {target}"
            stage.done(f"planned: {told}; nothing was written" if dry_run else told)
        result = SyncResult(
            "dry_run" if dry_run else "rolled_back",
            published.as_of_date,
            published.filter,
            published=published,
            before=before,
        )
        if not dry_run:
            result.publication_id = published.publication_id
            with destinations.following(published.publication_id):
                run.update(stage="export", publication_id=published.publication_id)
                after = last_publication(connection)
                result.source = (after.source if after else None) or ""
            result.exports = destinations.export_all(warehouse, stages, published.publication_id)
            result.env_written_at = warehouse.env_written_at
        finish(run, clock, result, stages)
    return result


def rollback_target(before: LastPublication | None, to: int | None, content: int | None) -> int:
    """Which publication a rollback puts back.

    After a rollback "the one before" may be the one that was wrong, or the one before the one
    that was put back; or the command was merely given twice. So that has to be said.

    Args:
        before: the last publication.
        to: what was asked for.
        content: the publication that was not a rollback and has the same content as `before`.

    Raises:
        UsageError: saying what there is, and what to say.
    """
    if before is None:
        raise UsageError(f"There is no publication to go back to. {told_to_consumers(before)}.")
    if to is None and before.rollback_of is not None:
        further, undone = (content or 1) - 1, before.publication_id - 1
        steps = [f"To go one further back, say TO={further} (--to {further})"] if further else []
        steps += [
            f"to take the rollback back, TO={undone} (--to {undone})",
            "to finish what is pending, `warehouse export`",
        ]
        raise UsageError(
            f"It is rolled back already, and nothing was changed by this. "
            f"{told_to_consumers(before)}. {'; '.join(steps)}."
        )
    target = to if to is not None else before.publication_id - 1
    if not 1 <= target < before.publication_id:
        raise UsageError(
            f"There is no publication {target} to go back to. {told_to_consumers(before)}."
        )
    return target
