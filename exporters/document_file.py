"""A file that holds one published document: read, compared entry by entry, replaced whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from exporters.atomic_file import read_file, replace_file, unavailable
from exporters.destination import Plan
from exporters.errors import DestinationRefused, VerificationError
from exporters.json_entries import Document, differing, line
from exporters.published import PUBLISHED_SCHEMA, Published, snapshot

_NEW_FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Wanted:
    """The published document.

    Attributes:
        content: Its bytes.
        entries: How many members it has.
        first: A few of them, to show.
    """

    content: bytes
    entries: int
    first: Document


@dataclass(frozen=True, slots=True)
class _Change:
    """The payload of a plan: the bytes that were read and those to write."""

    before: bytes | None
    after: bytes


class DocumentFile:
    """A file that holds one document, every member of which is an entry.

    Args:
        path: The file; its folder is created.
        connection: A PostgreSQL connection with no transaction open.
        schema: Where the rows are read; see `exporters.published.snapshot`.
        verified_digest: `digest` after an export of this very publication: a file of the same
            bytes is as published, and the rows need not be read.
    """

    name: str
    form = "JSON object"
    empty = b"{}"

    def __init__(
        self,
        path: Path,
        connection: psycopg.Connection[Any],
        *,
        schema: str = PUBLISHED_SCHEMA,
        verified_digest: str | None = None,
    ) -> None:
        self._path = path.absolute()
        self.connection = connection
        self._schema = schema
        self._verified_digest = verified_digest
        self._wanted: Wanted | None = None

    def read(self, published: Published) -> Wanted:
        """The published document, inside the snapshot."""
        raise NotImplementedError

    def compare(self, held: bytes | None, wanted: bytes) -> Plan | None:
        """The difference; None when what is held is no such document. JSON, unless overridden."""
        return differing(held, wanted)

    def _published(self) -> Wanted:
        with snapshot(self.connection, self._schema) as published:
            return self.read(published)

    def plan(self) -> Plan:
        """Compare the file's entries with the published ones; spacing and order do not count.

        Raises:
            DestinationUnavailable: The file or PostgreSQL cannot be read.
            DestinationRefused: The path is no file, or nothing is published to write.
        """
        held = read_file(self._path)
        if held is not None and _digest(held) == self._verified_digest:
            return Plan()
        self._wanted = wanted = self._published()
        if held == wanted.content:
            return Plan()
        change = _Change(held, wanted.content)
        plan = self.compare(held, wanted.content)
        if plan is None:
            state = "does not exist yet" if held is None else f"holds no {self.form}"
            samples = {"added": tuple(line(key, wanted.first[key]) for key in wanted.first)}
            note = f"{self._path} {state}"
            return Plan(wanted.entries, samples=samples, payload=change, note=note, upkeep=1)
        return plan if plan.is_empty else replace(plan, payload=change)

    @property
    def digest(self) -> str | None:
        """Of the bytes that the file holds; None without a file."""
        held = read_file(self._path)
        return None if held is None else _digest(held)

    def apply(self, plan: Plan) -> None:
        """Put the published document in the file's place.

        Raises:
            DestinationUnavailable: It cannot be written; the old file is whole.
            DestinationRefused: Its owner cannot be kept.
        """
        change = plan.payload
        if not isinstance(change, _Change):
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unavailable(self._path, error) from error
        replace_file(self._path, change.after, mode=_NEW_FILE_MODE)

    def verify(self) -> None:
        """Read the file back.

        Raises:
            VerificationError: It does not hold the published document.
        """
        wanted = self._wanted or self._published()
        held = read_file(self._path)
        if held == wanted.content:
            return
        plan = self.compare(held, wanted.content)
        if plan is not None and plan.is_empty:
            return
        plan = plan or self.compare(self.empty, wanted.content) or Plan()
        raise VerificationError(
            f"{self._path} lacks {plan.added} entries, holds {plan.changed} with other values and "
            f"{plan.removed} too many: {dict(plan.samples)}",
            expected="the published document",
            consumers="Its readers see what it holds now.",
            remedy="Something else writes to the file; run the export again.",
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def nothing_published(relation: str) -> DestinationRefused:
    """The error for a document without entries."""
    return DestinationRefused(
        f"{relation} is empty",
        expected="what was published",
        consumers="The file was not touched.",
        remedy="Publish a dump first.",
    )
