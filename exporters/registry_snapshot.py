"""`registry.snapshot`: the publication as `instrument_registry` loads it without PostgreSQL.

The file has one entry, the publication that it holds, and is written whole: what of its half a
million rows differs is not counted. See `instrument_registry.sources.snapshot` for its layout.

Run alone: `python -m exporters.registry_snapshot --database-url ... --path FILE [--dry-run]`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from psycopg.rows import tuple_row

from exporters.atomic_file import OLD_FILE, read_file, real_path, replace_file, unavailable
from exporters.destination import Destination, Plan
from exporters.document_file import nothing_published
from exporters.errors import DestinationRefused, VerificationError
from exporters.published import PUBLISHED_SCHEMA, Published, snapshot
from exporters.standalone import Connection, options, run
from instrument_registry.errors import RegistryUnavailable, SnapshotRefused, SourceRefused
from instrument_registry.sources.postgres import contents_of
from instrument_registry.sources.snapshot import Held, held, packed

_NEW_FILE_MODE = 0o644
_DEFAULT = "registry.snapshot"


class RegistrySnapshot:
    """The snapshot file of the last publication.

    Args:
        path: The file; its folder is created.
        connection: A PostgreSQL connection with no transaction open.
        schema: Of what is planned; only the published schema is written.
    """

    name = "registry_snapshot"

    def __init__(
        self, path: Path, connection: Connection, *, schema: str = PUBLISHED_SCHEMA
    ) -> None:
        self._path = path.absolute()
        self._connection = connection
        self._schema = schema
        self._written: bytes | None = None

    def plan(self) -> Plan:
        """Read all of the file, its rows as bytes only; no row of PostgreSQL is read.

        Raises:
            DestinationUnavailable: The file or PostgreSQL cannot be read.
            DestinationRefused: The path is no file, or nothing is published.
        """
        with snapshot(self._connection, self._schema) as published:
            wanted = published
        found, note = self._held()
        if found is not None and _is_of(found, wanted):
            return Plan()
        line = _told(wanted.publication_id, str(wanted.as_of))
        if found is not None:
            other = found.publication
            before = _told(other.number, str(other.as_of_date))
            samples = {"changed": (f"{before} -> {line}",)}
            return Plan(changed=1, samples=samples, note=f"{before} stood in {self._path}")
        samples = {"added": (line,)}
        if note:
            return Plan(changed=1, samples=samples, note=note)
        return Plan(added=1, samples=samples, note=f"{self._path} does not exist yet")

    def apply(self, plan: Plan) -> None:
        """Put a snapshot of what is published in the file's place.

        Raises:
            DestinationUnavailable: It cannot be written; the old file is whole.
            DestinationRefused: A value cannot be carried, or the file's owner cannot be kept.
        """
        if plan.is_empty:
            return
        content = self._published()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unavailable(self._path, error) from error
        replace_file(self._path, content, mode=_NEW_FILE_MODE)
        self._written = content

    def verify(self) -> None:
        """Read the file back.

        Raises:
            VerificationError: It is not what was written, or not of the last publication.
        """
        if self._written is not None:
            is_right = read_file(self._path) == self._written
        else:
            is_right = self.plan().is_empty
        if not is_right:
            raise VerificationError(
                f"{self._path} does not hold what was written to it",
                expected="the last publication, every section with its checksum",
                consumers="The registry refuses a snapshot that is torn, and reads PostgreSQL.",
                remedy="Something else writes to the file; run the export again.",
            )

    def _held(self) -> tuple[Held | None, str]:
        """What the file holds, if it holds a publication; else why not, empty without a file."""
        real = real_path(self._path)
        try:
            return held(real), ""
        except SnapshotRefused as error:
            return None, str(error).partition("; expected")[0]
        except RegistryUnavailable as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                return None, ""
            if isinstance(error.__cause__, OSError):
                raise unavailable(self._path, error.__cause__) from error
            raise

    def _published(self) -> bytes:
        with snapshot(self._connection) as published:
            try:
                with self._connection.cursor(row_factory=tuple_row) as cursor:
                    contents = contents_of(cursor)
            except SourceRefused as error:
                raise _refused(error) from error
        if not contents.rows:
            raise nothing_published("marts.broker_instruments")
        try:
            return packed(contents, published.fingerprint)
        except SnapshotRefused as error:
            raise _refused(error) from error


def _is_of(found: Held, wanted: Published) -> bool:
    publication = found.publication
    return (publication.number, publication.published_at, found.fingerprint) == (
        wanted.publication_id,
        wanted.published_at,
        wanted.fingerprint,
    )


def _told(number: int | None, as_of: str) -> str:
    return f"publication {number} of {as_of}"


def _refused(error: Exception) -> DestinationRefused:
    return DestinationRefused(
        str(error), consumers=OLD_FILE, remedy="Mend the dump, or report it: no broker writes that."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the file alone; the exit code."""
    parser = options("exporters.registry_snapshot", "Bring the registry's snapshot up to date.")
    parser.add_argument(
        "--path", type=Path, default=Path(_DEFAULT), help=f"the file (default: {_DEFAULT})"
    )

    def build(given: argparse.Namespace, connection: Connection) -> Iterator[Destination]:
        yield RegistrySnapshot(given.path, connection)

    return run(parser, arguments, build)


if __name__ == "__main__":
    sys.exit(main())
