"""The JSON files that other programs read: `token_lookup_enriched.json`, `focus_instruments.json`.

Run alone: `python -m exporters.json_files --database-url ... --path FOLDER [--dry-run]`.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta, timezone
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg.rows import tuple_row

from exporters.atomic_file import read_file, replace_file, unavailable
from exporters.destination import SAMPLE_LINES, Destination, Plan
from exporters.errors import DestinationRefused, VerificationError
from exporters.json_entries import Document, differing, line
from exporters.published import PUBLISHED_SCHEMA, Published, snapshot
from exporters.standalone import Connection, options, run

_INDIA = timezone(timedelta(hours=5, minutes=30), "IST")
_NEW_FILE_MODE = 0o644
# How many rows of `token_lookup.sql`, half a megabyte each, are held at once.
_PORTIONS = 4

_FOCUS = """
select
    symbols,
    total_symbols,
    sources,
    underlying_indices,
    description
from exp_json__focus_instruments
"""


@dataclass(frozen=True, slots=True)
class _Wanted:
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


class _JsonFile:
    """A file that holds one JSON object, every member of which is an entry."""

    name: str

    def __init__(
        self,
        path: Path,
        connection: psycopg.Connection[Any],
        *,
        schema: str = PUBLISHED_SCHEMA,
        verified_digest: str | None = None,
    ) -> None:
        self._path = path.absolute()
        self._connection = connection
        self._schema = schema
        self._verified_digest = verified_digest
        self._wanted: _Wanted | None = None

    def _read(self, published: Published) -> _Wanted:
        raise NotImplementedError

    def _published(self) -> _Wanted:
        with snapshot(self._connection, self._schema) as published:
            return self._read(published)

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
        plan = differing(held, wanted.content)
        if plan is None:
            state = "does not exist yet" if held is None else "holds no JSON object"
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
        plan = differing(held, wanted.content)
        if plan is not None and plan.is_empty:
            return
        plan = plan or differing(b"{}", wanted.content) or Plan()
        raise VerificationError(
            f"{self._path} lacks {plan.added} entries, holds {plan.changed} with other values and "
            f"{plan.removed} too many: {dict(plan.samples)}",
            expected="the published document",
            consumers="Its readers see what it holds now.",
            remedy="Something else writes to the file; run the export again.",
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class TokenLookupFile(_JsonFile):
    """`token_lookup_enriched.json`: an object keyed by token, in the order of the tokens.

    Args:
        path: The file; its folder is created.
        connection: A PostgreSQL connection with no transaction open.
        schema: Where the rows are read; see `exporters.published.snapshot`.
        verified_digest: `digest` after an export of this very publication: a file of the same
            bytes is as published, and the rows need not be read.
    """

    name = "token_lookup"

    def _read(self, published: Published) -> _Wanted:  # noqa: ARG002  # one shape for both files
        content = bytearray(b"{")
        first: Document = {}
        entries = 0
        # A cursor of the server's: the rows come in portions and never all at once.
        with self._connection.cursor("token_lookup", row_factory=tuple_row) as cursor:
            cursor.execute(resources.files("exporters").joinpath("token_lookup.sql").read_bytes())
            while portions := cursor.fetchmany(_PORTIONS):
                for members_text, count in portions:
                    first = first or _first_members(members_text)
                    entries += count
                    content += members_text.encode()
                    content += b","
        if not entries:
            raise _nothing("marts.exp_json__token_lookup")
        content[-1:] = b"}\n"
        return _Wanted(bytes(content), entries, first)


class FocusInstrumentsFile(_JsonFile):
    """`focus_instruments.json`: every broker's spelling of the focus set.

    `generated_date` is the Indian date of the publication, so a file is written anew for a
    new day's publication even if the set is the same.

    Args:
        path: The file; its folder is created.
        connection: A PostgreSQL connection with no transaction open.
        schema: Where the rows are read; see `exporters.published.snapshot`.
        verified_digest: `digest` after an export of this very publication: a file of the same
            bytes is as published, and the rows need not be read.
    """

    name = "focus_instruments"

    def _read(self, published: Published) -> _Wanted:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(_FOCUS).fetchone()
        if row is None:
            raise _nothing("marts.exp_json__focus_instruments")
        symbols, total, sources, underlyings, description = row
        document = {
            "symbols": sorted(symbols),
            "total_symbols": total,
            "source": sources,
            "underlying_indices": sorted(underlyings),
            "generated_date": published.published_at.astimezone(_INDIA).date().isoformat(),
            "description": description,
        }
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return _Wanted(content, len(document), document)


def _first_members(text: str) -> Document:
    found: Document = orjson.loads(f"{{{text}}}")
    return dict(itertools.islice(found.items(), SAMPLE_LINES))


def _nothing(relation: str) -> DestinationRefused:
    return DestinationRefused(
        f"{relation} is empty",
        expected="what was published",
        consumers="The file was not touched.",
        remedy="Publish a dump first.",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Export both files alone; the exit code."""
    parser = options("exporters.json_files", "Bring the JSON files up to date.")
    parser.add_argument(
        "--path", type=Path, default=Path(), help="the folder of both files (default: this one)"
    )

    def build(given: argparse.Namespace, connection: Connection) -> Iterator[Destination]:
        yield TokenLookupFile(given.path / "token_lookup_enriched.json", connection)
        yield FocusInstrumentsFile(given.path / "focus_instruments.json", connection)

    return run(parser, arguments, build)


if __name__ == "__main__":
    sys.exit(main())
