"""What the loader has to know of one broker's master."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

# What every row of a staging table carries beside the broker's own columns.
LINEAGE = ("_load_id", "_line_number")
# Usable without quotes in SQL, and short enough for PostgreSQL to keep whole.
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Csv:
    """A dump in CSV: a header, then a row a line.

    Attributes:
        required: the columns that the header must have, spelled as in staging.
        is_lowered: whether the header's names are matched, and landed, in lower case.
        words: columns that hold one of a few words, with all of them: where such a column comes
            last, a file without a newline at its end can still be seen to be whole.
    """

    required: tuple[str, ...]
    is_lowered: bool = False
    words: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Json:
    """A dump in JSON: one array of flat objects.

    Attributes:
        required: the keys that must occur, though not in every object.
    """

    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """One broker's instrument master, as a value.

    Attributes:
        name: the feed's name in commands, paths and the ledger.
        title: the broker's name in sentences.
        url: where the dump is downloaded from.
        url_setting: the setting that changes `url`, for messages.
        table: the staging table (in schema `staging`) that the dump lands in.
        columns: the columns of the staging table, in this order; what a dump lacks is ''.
        content_types: parts of a content type, one of which a good answer has.
        csv: how the dump looks in CSV, if the broker gives that.
        json: how it looks in JSON, if the broker gives that.
        usual_bytes: about how big a real dump is, uncompressed, for messages.
        has_sample: whether `loader.sample` can make one up.

    Raises:
        ValueError: the feed contradicts itself; the message names it.
    """

    name: str
    title: str
    url: str
    url_setting: str
    table: str
    columns: tuple[str, ...]
    content_types: tuple[str, ...]
    csv: Csv | None = None
    json: Json | None = None
    usual_bytes: int = 10_000_000
    has_sample: bool = False

    def __post_init__(self) -> None:
        forms = [form for form in (self.csv, self.json) if form]
        if not forms:
            raise ValueError(f"feed {self.name} has no format: give it csv, json or both")
        odd = [name for name in (self.table, *self.columns) if not _COLUMN.fullmatch(name)]
        if odd or len(set(self.columns)) != len(self.columns):
            raise ValueError(f"feed {self.name} has unusable or repeated names: {odd}")
        strange = {name for form in forms for name in form.required} - set(self.columns)
        strange |= set(self.csv.words if self.csv else ()) - set(self.columns)
        if strange or not all(form.required for form in forms):
            raise ValueError(
                f"feed {self.name} must require some of its columns, and no others: "
                f"{sorted(strange)}"
            )

    @property
    def formats(self) -> str:
        """What the dump may be in, as a word: `CSV`, `JSON`, `JSON or CSV`."""
        return " or ".join(
            word for word, form in (("JSON", self.json), ("CSV", self.csv)) if form is not None
        )

    def with_url(self, url: str) -> Feed:
        """The same feed, downloaded from another place."""
        return replace(self, url=url)
