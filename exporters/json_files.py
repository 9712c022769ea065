"""The JSON files that other programs read: `token_lookup_enriched.json`, `focus_instruments.json`.

Run alone: `python -m exporters.json_files --database-url ... --path FOLDER [--dry-run]`.
"""

from __future__ import annotations

import argparse
import io
import itertools
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta, timezone
from importlib import resources
from pathlib import Path

import orjson
from psycopg.rows import tuple_row

from exporters.destination import SAMPLE_LINES, Destination
from exporters.document_file import DocumentFile, Wanted, nothing_published
from exporters.json_entries import Document
from exporters.published import Published
from exporters.standalone import Connection, options, run

_INDIA = timezone(timedelta(hours=5, minutes=30), "IST")
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


class TokenLookupFile(DocumentFile):
    """`token_lookup_enriched.json`: an object keyed by token, in the order of the tokens."""

    name = "token_lookup"

    def read(self, published: Published) -> Wanted:  # noqa: ARG002  # one shape for all files
        """Joined as text, so that the whole document never exists as objects."""
        # A buffer hands its bytes over without a copy of them: forty megabytes.
        content = io.BytesIO(b"{")
        content.seek(1)
        first: Document = {}
        entries = 0
        # A cursor of the server's: the rows come in portions and never all at once.
        with self.connection.cursor("token_lookup", row_factory=tuple_row) as cursor:
            cursor.execute(resources.files("exporters").joinpath("token_lookup.sql").read_bytes())
            while portions := cursor.fetchmany(_PORTIONS):
                for members_text, count in portions:
                    first = first or _first_members(members_text)
                    entries += count
                    content.write(members_text.encode())
                    content.write(b",")
        if not entries:
            raise nothing_published("marts.exp_json__token_lookup")
        content.seek(-1, io.SEEK_END)
        content.write(b"}\n")
        return Wanted(content.getvalue(), entries, first)


class FocusInstrumentsFile(DocumentFile):
    """`focus_instruments.json`: every broker's spelling of the focus set.

    `generated_date` is the Indian date of the publication, so a file is written anew for a
    new day's publication even if the set is the same.
    """

    name = "focus_instruments"

    def read(self, published: Published) -> Wanted:
        """One row of `exp_json__focus_instruments`, dated."""
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(_FOCUS).fetchone()
        if row is None:
            raise nothing_published("marts.exp_json__focus_instruments")
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
        return Wanted(content, len(document), document)


def _first_members(text: str) -> Document:
    found: Document = orjson.loads(f"{{{text}}}")
    return dict(itertools.islice(found.items(), SAMPLE_LINES))


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
