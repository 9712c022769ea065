"""The generated sample stays where nothing trades on it: its tokens are made up."""

from __future__ import annotations

from exporters.dotenv_line import held
from loader.source import SAMPLE
from warehouse.errors import UsageError
from warehouse.publications import LastPublication
from warehouse.settings import Settings
from warehouse.sync_request import SyncRequest

VARIABLE = "INSTRUMENTS"
MADE_UP = "The sample is generated: its tokens are made up, for trying out only."


def guard_servers(settings: Settings, request: SyncRequest) -> None:
    """Keep the sample from servers that somebody named; FORCE=1 is for those that are for trials.

    Raises:
        UsageError: naming the settings; nothing was started.
    """
    given = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    named = [name for name, value in given.items() if value is not None]
    if named and _is_to_publish(request) and request.source == SAMPLE:
        raise UsageError(
            f"{MADE_UP} {' and '.join(named)} name{'s' if len(named) == 1 else ''} servers that "
            f"programs may trade on, so nothing was started and consumers keep what they have. Try "
            f"it on the embedded servers, without these settings; if those servers are for trials "
            f"too, FORCE=1 (--force) publishes it there."
        )


def guard_files(settings: Settings, request: SyncRequest, before: LastPublication | None) -> None:
    """Keep the first sample from an ingestion's `.env` that is in use.

    Raises:
        UsageError: naming it; nothing was started.
    """
    if before is not None or request.source != SAMPLE or not _is_to_publish(request):
        return
    path = settings.env_file.expanduser().absolute()
    try:
        streamed = held(path.read_bytes(), VARIABLE).effective
    except OSError:
        # There is none; or the export will say why it cannot be written.
        return
    if streamed:
        raise UsageError(
            f"{MADE_UP} {path} lists instruments that a program may stream, so nothing was started "
            f"and consumers keep what they have. Try the sample with another ENV_FILE "
            f"(ENV_FILE=trial.env); if this one is for trials too, FORCE=1 (--force) writes it."
        )


def guard_export(settings: Settings, publication: LastPublication) -> None:
    """Keep a sample that was published on the embedded PostgreSQL from a Redis named since.

    Args:
        settings: of the export.
        publication: what is exported, or put back and then exported.

    Raises:
        UsageError: nothing was started.
    """
    is_trial = settings.database_url is None
    if publication.is_sample and is_trial and settings.redis_url is not None:
        raise UsageError(
            f"{MADE_UP} They are in {publication.told}, and REDIS_URL names a server that programs "
            f"may trade on: nothing was exported, and consumers keep what they have. Export "
            f"without REDIS_URL, or sync a real dump."
        )


def guard_publications(request: SyncRequest, before: LastPublication | None) -> None:
    """Keep the sample and real dumps from following each other in one warehouse.

    Raises:
        UsageError: saying what is published, and how to begin anew.
    """
    if before is None or not _is_to_publish(request):
        return
    if request.source == SAMPLE and not before.is_sample:
        raise UsageError(
            f"{MADE_UP} What is published here is real: {before.told}. It stays, and nothing was "
            f"started. Try the sample in a folder of its own (WAREHOUSE_HOME=trial "
            f"ENV_FILE=trial.env); FORCE=1 (--force) publishes it over the real one."
        )
    if request.source != SAMPLE and before.is_sample:
        raise UsageError(
            f"What is published here is {before.told}: a real dump cannot be compared with made-up "
            f"tokens, so the gate would stop it. Nothing was started. Begin anew: with the "
            f"embedded servers, `make down` and remove WAREHOUSE_HOME (.warehouse); on servers of "
            f"your own, drop the schemas staging, candidate, marts, history and ops and the rows "
            f"of public.instruments, or `warehouse rollback` to a real publication before it. "
            f"FORCE=1 (--force) lets the gate judge it."
        )


def _is_to_publish(request: SyncRequest) -> bool:
    """A dry run and a build alone change nothing that anybody reads."""
    return not (request.dry_run or request.build_only or request.force)
