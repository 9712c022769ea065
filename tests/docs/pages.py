"""What the pages say, as values: queries, files, settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
GUIDE = PROJECT / "docs" / "analyst-guide.md"
ADDING = PROJECT / "docs" / "adding-a-broker.md"

_QUERY = re.compile(
    r"<!-- columns: (?P<columns>[\w, ]+) -->\n```sql\n(?P<text>.*?)\n```", re.DOTALL
)
_BLOCK = re.compile(
    r"<!-- (?P<how>file|append): (?P<path>\S+) -->\n```\w*\n(?P<text>.*?\n)```\n", re.DOTALL
)


@dataclass(frozen=True)
class Query:
    """A query of the analyst guide, with the columns that the guide promises."""

    text: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A file that a page tells to write, or lines that it tells to append to one."""

    path: str
    text: str
    is_appended: bool


def pages() -> list[Path]:
    """Every page of the documentation."""
    named = [PROJECT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return named + sorted((PROJECT / "docs").rglob("*.md"))


def queries() -> list[Query]:
    """The queries of the analyst guide."""
    return [
        Query(found["text"], tuple(name.strip() for name in found["columns"].split(",")))
        for found in _QUERY.finditer(GUIDE.read_text())
    ]


def blocks() -> list[Block]:
    """What adding-a-broker tells to write, in its order."""
    return [
        Block(found["path"], found["text"], found["how"] == "append")
        for found in _BLOCK.finditer(ADDING.read_text())
    ]
