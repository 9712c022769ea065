"""The `.env` destination: the one line `INSTRUMENTS=...` of a file that is somebody else's.

Run alone: `python -m exporters.dotenv --database-url ... --path .env [--dry-run]`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from exporters.atomic_file import (
    OLD_FILE,
    create_file,
    read_file,
    replace_file,
    sync_folder,
    unavailable,
)
from exporters.destination import SAMPLE_LINES, Destination, Plan
from exporters.dotenv_line import held, with_line
from exporters.errors import DestinationRefused, DestinationUnavailable, VerificationError
from exporters.published import PUBLISHED_SCHEMA, snapshot
from exporters.standalone import Connection, options, run

IST = timezone(timedelta(hours=5, minutes=30), "IST")
"""The time in a backup's name is Indian, on any machine: that of the trading day."""

_NEW_FILE_MODE = 0o600  # a .env holds secrets
_BACKUP_FOLDER_MODE = 0o700
_ATTEMPTS = 5

_LINES = "select variable, value, tokens from exp_dotenv__instruments"

_SUBSCRIBED = """
select
    'INSTRUMENTS',
    string_agg(instrument_token::text, ',' order by subscription_position),
    count(*)::integer
from active_subscriptions
having count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class _Line:
    """The published line."""

    variable: str
    value: str

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(self.value.split(","))


@dataclass(frozen=True, slots=True)
class _Change:
    """The payload of a plan: the bytes that were read and those to write."""

    before: bytes | None
    after: bytes
    line: _Line


class DotenvLine:
    """The line `INSTRUMENTS=256265,260105,...` of a `.env` file, in dump order.

    Every other byte of the file stays. Before a change the whole file is copied to
    `backups/.env.backup.YYYYMMDD_HHMMSS` (Indian time) beside it; backups are never removed.
    Under a filter that leaves the subscriptions alone, no line is published and the file is
    not touched.

    Args:
        path: The file, or a symlink to it.
        connection: A PostgreSQL connection with no transaction open.
        now: The clock, for the name of the backup; gives aware datetimes.
        schema: Where the rows are read; see `exporters.published.snapshot`.
    """

    name = "dotenv"

    def __init__(
        self,
        path: Path,
        connection: psycopg.Connection[Any],
        now: Callable[[], datetime],
        *,
        schema: str = PUBLISHED_SCHEMA,
    ) -> None:
        self._path = path.absolute()
        self._connection = connection
        self._now = now
        self._schema = schema

    def plan(self) -> Plan:
        """Compare the line that the file holds with the published one.

        Raises:
            DestinationUnavailable: The file or PostgreSQL cannot be read.
            DestinationRefused: The path is no file, or the published line is unusable.
        """
        line = self._published()
        if line is None:
            return Plan(note=f"{self._path} is left as it is: the filter publishes no line")
        return self._compare(line)

    def _published(self) -> _Line | None:
        with (
            snapshot(self._connection, self._schema) as published,
            self._connection.cursor(row_factory=tuple_row) as cursor,
        ):
            rows = cursor.execute(_LINES).fetchall()
            if not rows and published.is_rollback:
                # What is put back published no line, and the one in the file came after it.
                rows = cursor.execute(_SUBSCRIBED).fetchall()
        if not rows:
            return None
        if len(rows) > 1:
            raise _unusable(f"{len(rows)} lines are published instead of one")
        variable, value, tokens = rows[0]
        line = _Line(variable, value or "")
        if _as_consumer_reads(line.value) is None or len(line.tokens) != tokens:
            raise _unusable(
                f"The published {variable} holds {tokens} tokens and reads {line.value[:60]!r}"
            )
        return line

    def _compare(self, line: _Line) -> Plan:
        before = read_file(self._path)
        after = with_line(before or b"", line.variable, line.value)
        old = (held(before or b"", line.variable).effective or "").split(",")
        known = {token.strip() for token in old if token.strip()}
        wanted = set(line.tokens)
        added = [token for token in line.tokens if token not in known]
        removed = [
            token for token in dict.fromkeys(map(str.strip, old)) if token and token not in wanted
        ]
        samples = {
            "added": tuple(added[:SAMPLE_LINES]),
            "removed": tuple(token[:40] for token in removed[:SAMPLE_LINES]),
        }
        return Plan(
            added=len(added),
            removed=len(removed),
            samples={kind: some for kind, some in samples.items() if some},
            payload=_Change(before, after, line),
            note="" if before is not None else f"{self._path} does not exist yet",
            upkeep=int(before != after),
        )

    def apply(self, plan: Plan) -> None:
        """Back the file up and put the line in its place.

        A file that changes between the plan and the rename is read and planned anew.

        Raises:
            DestinationUnavailable: It cannot be written, or keeps changing; the old file is whole.
            DestinationRefused: Its owner cannot be kept.
        """
        for _ in range(_ATTEMPTS):
            change = plan.payload
            if not isinstance(change, _Change) or change.before == change.after:
                return
            if self._replace(change):
                return
            plan = self._compare(change.line)
        raise DestinationUnavailable(
            f"{self._path} was changed by another program {_ATTEMPTS} times while it was written",
            consumers=OLD_FILE,
            remedy="Run the export again when the other program is done.",
        )

    def _replace(self, change: _Change) -> bool:
        """Back up and write; false if the file is no longer what was planned for."""

        def is_as_planned() -> bool:
            return read_file(self._path) == change.before

        if not is_as_planned():
            return False
        self._back_up(change)
        return replace_file(self._path, change.after, mode=_NEW_FILE_MODE, is_current=is_as_planned)

    def _back_up(self, change: _Change) -> None:
        if change.before is None:
            return
        folder = self._path.parent / "backups"
        try:
            if not folder.is_dir():
                folder.mkdir(mode=_BACKUP_FOLDER_MODE)
                sync_folder(folder.parent)
        except OSError as error:
            raise unavailable(folder, error) from error
        stamp = self._now().astimezone(IST).strftime("%Y%m%d_%H%M%S")
        create_file(
            folder, _names(f"{self._path.name}.backup.{stamp}"), change.before, like=self._path
        )

    def verify(self) -> None:
        """Read the line back as its consumer does.

        Raises:
            VerificationError: It is not there, or reads otherwise.
        """
        line = self._published()
        if line is None:
            return
        found = held(read_file(self._path) or b"", line.variable)
        wanted = _as_consumer_reads(line.value)
        for value in found.values or (None,):
            read = None if value is None else _as_consumer_reads(value)
            if read != wanted:
                raise VerificationError(
                    f"{self._path} gives {line.variable} {len(read or ())} tokens "
                    f"({(value or 'none')[:60]!r})",
                    expected=f"{len(line.tokens)} tokens beginning {line.value[:60]!r}",
                    consumers="Ingestion reads that line when it starts.",
                    remedy="Something else writes to the file; run the export again.",
                )


def _as_consumer_reads(value: str) -> list[int] | None:
    """Split on commas and `int()` each part, as ingestion does; None where that fails."""
    try:
        return [int(part) for part in value.split(",")]
    except ValueError:
        return None


def _names(name: str) -> Iterator[str]:
    """The name, then the name with _2, _3, ...: two changes within one second."""
    yield name
    for number in itertools.count(2):
        yield f"{name}_{number}"


def _unusable(seen: str) -> DestinationRefused:
    return DestinationRefused(
        seen,
        expected="one line of at least one token, integers parted by commas",
        consumers="The file was not touched.",
        remedy="Look at marts.exp_dotenv__instruments and the filter.",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the published line alone; the exit code."""
    parser = options("exporters.dotenv", "Bring the INSTRUMENTS line of a .env file up to date.")
    parser.add_argument("--path", type=Path, default=Path(".env"), help="the file (default: .env)")

    def build(given: argparse.Namespace, connection: Connection) -> Iterator[Destination]:
        yield DotenvLine(given.path, connection, lambda: datetime.now(UTC))

    return run(parser, arguments, build)


if __name__ == "__main__":
    sys.exit(main())
