"""Which files are old, which are protected, and who names a file without reading it.

The package's own manifest is `manifest.toml` beside this module. One's own file has the same form;
what the package protects stays protected with it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from instrument_registry.cleanup.errors import ManifestRefused
from instrument_registry.cleanup.patterns import compiled, matches_everything, problem
from instrument_registry.errors import shown

BUILT_IN: Final = "the package's manifest"
_VERSION: Final = 1
_GROUPS: Final = ("deprecated", "protected", "overlooked")
_KEYS: Final = ("patterns", "reason")


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, and why it stands where it stands."""

    pattern: str
    reason: str
    ignores_case: bool = False
    _matcher: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        matcher = compiled(self.pattern, ignore_case=self.ignores_case)
        object.__setattr__(self, "_matcher", matcher)

    def matches(self, path: str) -> bool:
        """Whether a relative path is meant."""
        return self._matcher.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is old, what is protected, who is overlooked.

    Attributes:
        name: the file, as messages call it.
        deprecated: what may go.
        protected: what stays, whatever `deprecated` says; in any case of letters, because some
            file systems know none.
        overlooked: files that name others without reading them.
    """

    name: str
    deprecated: tuple[Rule, ...]
    protected: tuple[Rule, ...]
    overlooked: tuple[Rule, ...] = ()

    def deprecated_by(self, path: str) -> Rule | None:
        """The rule that calls a file old."""
        return _first(self.deprecated, path)

    def protected_by(self, path: str) -> Rule | None:
        """The rule that protects a file."""
        return _first(self.protected, path)

    def is_overlooked(self, path: str) -> bool:
        """Whether what a file names does not count."""
        return _first(self.overlooked, path) is not None


def _first(rules: Iterable[Rule], path: str) -> Rule | None:
    return next((rule for rule in rules if rule.matches(path)), None)


def built_in() -> Manifest:
    """The package's own."""
    data = (files("instrument_registry.cleanup") / "manifest.toml").read_bytes()
    return parse(data, BUILT_IN)


def read(path: Path) -> Manifest:
    """One's own manifest, with the protections of the package's.

    Raises:
        ManifestRefused: it cannot be read, or says what cannot be meant.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestRefused(f"{path} cannot be read: {error.strerror}") from error
    own, ours = parse(data, str(path)), built_in()
    return Manifest(
        own.name, own.deprecated, (*own.protected, *ours.protected),
        (*own.overlooked, *ours.overlooked),
    )  # fmt: skip


def parse(data: bytes, name: str) -> Manifest:
    """The manifest of a TOML text.

    Raises:
        ManifestRefused: with the file's name, and the line where it is known.
    """
    try:
        text = data.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ManifestRefused(f"{name} is not UTF-8: byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise ManifestRefused(f"{name} is no TOML: {error}") from error
    unknown = sorted(document.keys() - {"version", *_GROUPS})
    if unknown:
        raise ManifestRefused(
            f"{name} says {shown(unknown[0])}; expected version and [[{']], [['.join(_GROUPS)}]]"
        )
    version = document.get("version")
    if isinstance(version, bool) or version != _VERSION:
        raise ManifestRefused(f"{name} says version {shown(version)}; expected {_VERSION}")
    groups = {group: _rules(name, text, document, group) for group in _GROUPS}
    if not groups["deprecated"]:
        raise ManifestRefused(f"{name} has no [[deprecated]]: there would be nothing to do")
    return Manifest(name, **groups)


def _rules(name: str, text: str, document: Mapping[str, Any], group: str) -> tuple[Rule, ...]:
    tables = document.get(group, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ManifestRefused(f"{name}: {group} is {shown(tables)}; expected [[{group}]] tables")
    lines = _lines(text, group)
    found: list[Rule] = []
    for number, table in enumerate(tables, start=1):
        line = lines[number - 1] if len(lines) == len(tables) else None
        where = f"{name}, [[{group}]] number {number}" + (f" (line {line})" if line else "")
        found += _of_table(where, table, group)
    return tuple(found)


def _of_table(where: str, table: Mapping[str, Any], group: str) -> Iterable[Rule]:
    if unknown := sorted(table.keys() - set(_KEYS)):
        raise ManifestRefused(f"{where}: {shown(unknown[0])}; expected {' and '.join(_KEYS)}")
    reason, patterns = table.get("reason"), table.get("patterns")
    if not isinstance(reason, str) or not reason.strip():
        raise ManifestRefused(f"{where}: reason is {shown(reason)}; expected why, in a few words")
    if not isinstance(patterns, list) or not patterns:
        raise ManifestRefused(f"{where}: patterns is {shown(patterns)}; expected a list of texts")
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise ManifestRefused(f"{where}: {shown(pattern)} is no text; expected a pattern")
        if (wrong := problem(pattern)) is not None:
            raise ManifestRefused(f"{where}: {shown(pattern)} {wrong}")
        if group == "deprecated" and matches_everything(pattern):
            raise ManifestRefused(f"{where}: {shown(pattern)} is every file; name those that go")
        yield Rule(pattern, reason.strip(), ignores_case=group == "protected")


def _lines(text: str, group: str) -> list[int]:
    header = re.compile(rf"\s*\[\[\s*{group}\s*\]\]")
    return [at for at, line in enumerate(text.split("\n"), start=1) if header.match(line)]
