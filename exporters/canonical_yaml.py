"""`canonical_instruments.yaml`: every instrument with its terms and every broker's spelling.

Each instrument is one line, a flow mapping in JSON, which is YAML too: fast to write, to compare
and to search, and any YAML reader takes it.

Run alone: `python -m exporters.canonical_yaml --database-url ... --path FOLDER [--dry-run]`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import orjson
from psycopg.rows import tuple_row

from exporters.destination import SAMPLE_LINES, Destination, Plan, difference
from exporters.document_file import DocumentFile, Wanted, nothing_published
from exporters.published import Published
from exporters.standalone import Connection, options, run

# How many rows of `canonical_instruments.sql`, about a megabyte each, are held at once.
_PORTIONS = 4
_TOP = "last_updated: '{}'\ninstruments:\n"
_SHOWN = 120


class CanonicalInstrumentsFile(DocumentFile):
    """`canonical_instruments.yaml`; its entries are the instruments and `last_updated`."""

    name = "canonical_instruments"
    form = "file of canonical instruments"
    empty = b""

    def read(self, published: Published) -> Wanted:
        """One line an instrument, in the order of the canonical ids' code points."""
        top = _TOP.format(published.published_at.isoformat()).encode()
        content, entries = bytearray(top), 0
        # A cursor of the server's: the rows come in portions and never all at once.
        with self.connection.cursor("canonical_instruments", row_factory=tuple_row) as cursor:
            script = resources.files("exporters").joinpath("canonical_instruments.sql")
            cursor.execute(script.read_bytes())
            while portions := cursor.fetchmany(_PORTIONS):
                for lines, count in portions:
                    entries += count
                    content += lines.encode()
                    content += b"\n"
        if not entries:
            raise nothing_published("marts.exp_yaml__canonical_instruments")
        first = bytes(content[len(top) :]).split(b"\n", SAMPLE_LINES)[:SAMPLE_LINES]
        return Wanted(bytes(content), entries, dict(_by_id(set(first))))

    def compare(self, held: bytes | None, wanted: bytes) -> Plan | None:
        """Line by line; only lines that differ are looked into."""
        before, after = _lines(held), _lines(wanted)
        if before is None or after is None:
            return None
        unchanged = before & after
        return difference(_by_id(before - unchanged), _by_id(after - unchanged))


def _lines(content: bytes | None) -> set[bytes] | None:
    """The lines of a document of this form; None of any other, or where a line repeats."""
    if content is None or (content and b"\ninstruments:\n" not in content[:200]):
        return None
    lines = content.splitlines()
    found = set(lines)
    return found - {b"instruments:"} if len(found) == len(lines) else None


def _by_id(lines: set[bytes]) -> dict[str, str]:
    entries = {}
    for one in sorted(lines):
        name, _, value = one.strip().decode(errors="replace").partition(": ")
        entries[_unquoted(name)] = value[:_SHOWN]
    return entries


def _unquoted(name: str) -> str:
    try:
        return str(orjson.loads(name))
    except orjson.JSONDecodeError:
        return name


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the file alone; the exit code."""
    parser = options("exporters.canonical_yaml", "Bring canonical_instruments.yaml up to date.")
    parser.add_argument(
        "--path", type=Path, default=Path(), help="the folder of the file (default: this one)"
    )

    def build(given: argparse.Namespace, connection: Connection) -> Iterator[Destination]:
        yield CanonicalInstrumentsFile(given.path / "canonical_instruments.yaml", connection)

    return run(parser, arguments, build)


if __name__ == "__main__":
    sys.exit(main())
