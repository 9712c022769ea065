"""Who still reads what is old: source files, and variables that point to old files.

What is looked for are the names of the deprecated files of the cleanup's manifest, and imports of
`shared_core.instrument_token`. A line counts wherever it stands, in a comment too: it is shown, for
a person to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from instrument_registry.cleanup.manifest import Manifest
from instrument_registry.cleanup.mentions import Searched, search
from instrument_registry.cleanup.tree import listed
from instrument_registry.modules import module_of

_IMPORTS: Final = ("shared_core.instrument_token", "shared_core import instrument_token")
_OLD_PACKAGE: Final = re.compile(r"(?:.*/)?shared_core/instrument_token/.*", re.DOTALL)
# Where names are told and not read.
_TOLD: Final = (".md", ".rst", ".txt", ".log", ".csv", ".html", ".jsonl")
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)")


@dataclass(frozen=True, slots=True)
class OldReader:
    """A line, or a variable, that reads what is old.

    Attributes:
        where: the file relative to the root, the `.env` file, or `environment`.
        line: from 1; 0 for a variable of the environment.
        names: what it names.
        variable: which one points there; empty for a line of a source file.
        module: the module that the path belongs to, by its parts; None for none.
    """

    where: str
    line: int
    names: str
    variable: str = ""
    module: str | None = None


@dataclass(frozen=True, slots=True)
class SourceSearch:
    """What was found under a root.

    Attributes:
        readers: by file and line.
        unread: files and folders that could not be read, with the reason.
        old_files: how many deprecated files are still there.
    """

    readers: tuple[OldReader, ...]
    unread: tuple[tuple[str, str], ...]
    old_files: int


def old_names(manifest: Manifest) -> tuple[str, ...]:
    """What an old reader names: imports, and the names of deprecated files."""
    names = {rule.pattern.rpartition("/")[2] for rule in manifest.deprecated}
    return (*_IMPORTS, *sorted(name for name in names if not set(name) & set("*?")))


def in_sources(root: Path, manifest: Manifest) -> SourceSearch:
    """The lines under a root that read what is old; documents and the old package are none.

    Args:
        root: of `cleanup.tree.root_of`.
        manifest: what is old.

    Raises:
        RootRefused: the root cannot be listed.
    """
    listing = listed(root)
    old = [one for one in listing.files if _is_old(one.path, manifest)]
    paths = {one.path for one in old}
    sources = [
        one for one in listing.files
        if one.path not in paths and not one.path.lower().endswith(_TOLD)
        and not _OLD_PACKAGE.fullmatch(one.path) and not manifest.is_overlooked(one.path)
    ]  # fmt: skip
    found: Searched = search(root, sources, old_names(manifest))
    lines = {
        (one.path, one.line): one for one in found.mentions
        if _is_of_an_old_file(one.folder, one.name, manifest)
    }  # fmt: skip
    readers = tuple(
        OldReader(one.path, one.line, one.name, module=module_of(one.path))
        for _, one in sorted(lines.items())
    )
    return SourceSearch(readers, (*listing.unseen, *found.unread), len(old))


def _is_of_an_old_file(folder: str, name: str, manifest: Manifest) -> bool:
    """Whether a name means an old file: some have a protected namesake in another folder."""
    if folder:
        return manifest.protected_by(f"{folder}/{name}") is None
    return all(rule.pattern.rpartition("/")[2] != name for rule in manifest.protected)


def _is_old(path: str, manifest: Manifest) -> bool:
    return manifest.deprecated_by(path) is not None and manifest.protected_by(path) is None


def in_environment(
    environment: Mapping[str, str], env_file: Path, manifest: Manifest
) -> tuple[OldReader, ...]:
    """The variables that point to old files; never their values.

    A `.env` that is not there, or cannot be read, points nowhere.
    """
    names = old_names(manifest)
    variables = [(0, *one) for one in environment.items()]
    found = list(_pointing("environment", variables, names, manifest))
    try:
        text = env_file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return tuple(found)
    lines = [
        (number, match[1], match[2])
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := _LINE.match(line))
    ]
    return (*found, *_pointing(str(env_file), lines, names, manifest))


def _pointing(
    where: str, variables: Iterable[tuple[int, str, str]], names: Iterable[str], manifest: Manifest
) -> Iterable[OldReader]:
    for line, variable, value in variables:
        named = next((name for name in names if name in value), None)
        if named is None:
            continue
        folder = value.partition(named)[0].removesuffix("/").rpartition("/")[2].strip(" \"'")
        if _is_of_an_old_file(folder, named, manifest):
            yield OldReader(where, line, named, variable, module_of(variable))
