"""What happens to each old file: decided from values, nothing is touched here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from instrument_registry.cleanup.manifest import Manifest, Rule
from instrument_registry.cleanup.mentions import Mention
from instrument_registry.cleanup.tree import Found, Link, Listing


class Verdict(StrEnum):
    """What happens to a file."""

    MOVE = "move"
    PROTECTED = "protected"
    NAMED = "named"
    UNREADABLE = "unreadable"
    OTHER_FILE_SYSTEM = "other file system"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True)
class Copy:
    """A file with the same bytes."""

    path: str
    is_protected: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One old file.

    Attributes:
        path: relative to the root.
        found: as it was listed; None for a symlink.
        rule: what calls it old.
        verdict: what happens to it.
        why: the rule's reason, or what keeps the file.
        sha256: of its bytes; None where they were not read.
        copies: files with the same bytes.
        named_in: who names it, whether that keeps it or not.
    """

    path: str
    found: Found | None
    rule: Rule
    verdict: Verdict
    why: str
    sha256: str | None = None
    copies: tuple[Copy, ...] = ()
    named_in: tuple[Mention, ...] = ()

    @property
    def size(self) -> int:
        """Bytes; 0 for a symlink."""
        return self.found.size if self.found else 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to every old file under a root.

    Attributes:
        entries: by path.
        protected_files: how many files are protected, old or not.
        protected_bytes: how many bytes they have.
    """

    entries: tuple[Entry, ...]
    protected_files: int = 0
    protected_bytes: int = 0

    def to_move(self) -> tuple[Entry, ...]:
        """What is moved."""
        return tuple(one for one in self.entries if one.verdict is Verdict.MOVE)

    def kept(self) -> tuple[Entry, ...]:
        """What stays."""
        return tuple(one for one in self.entries if one.verdict is not Verdict.MOVE)


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256 by path; and why the others have none."""

    known: Mapping[str, str]
    failed: Mapping[str, str]


def old_files(listing: Listing, manifest: Manifest) -> tuple[Found, ...]:
    """The files that the manifest calls old, protected or not."""
    return tuple(one for one in listing.files if manifest.deprecated_by(one.path))


def to_hash(listing: Listing, old: Sequence[Found]) -> tuple[Found, ...]:
    """The old files, and all that could have the same bytes."""
    paths = {one.path for one in old}
    sizes = {one.size for one in old if one.size}
    return tuple(one for one in listing.files if one.path in paths or one.size in sizes)


def names_of(old: Iterable[Found]) -> frozenset[str]:
    """The names that may stand in other files."""
    return frozenset(_name(one.path) for one in old)


def make_plan(
    listing: Listing, manifest: Manifest, digests: Digests, mentions: Sequence[Mention],
    include_named: Sequence[Rule] = (),
) -> Plan:  # fmt: skip
    """Decide on every old file.

    Args:
        listing: what is there.
        manifest: what is old and what is protected.
        digests: of `to_hash`.
        mentions: of `names_of`.
        include_named: a file goes although these name it.
    """
    protected = [one for one in listing.files if manifest.protected_by(one.path)]
    copies = _same_bytes(digests.known, {one.path for one in protected})
    tails = {tuple(one.path.rsplit("/", 2)[-2:]) for one in listing.files}
    by_name: dict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        by_name[mention.name].append(mention)
    entries = [_of_link(one, manifest) for one in listing.links]
    for found in old_files(listing, manifest):
        rule = manifest.deprecated_by(found.path)
        assert rule is not None  # noqa: S101 - old_files asked the same
        told = [
            *(one for one in by_name[_name(found.path)] if _is_about(one, found.path, tails)),
            *(Mention(one.path, 0, found.path) for one in listing.links
              if one.target == found.path),
        ]  # fmt: skip
        told = _once(one for one in told if not manifest.is_overlooked(one.path))
        counting = [
            one for one in told if not any(rule.matches(one.path) for rule in include_named)
        ]
        verdict, why = _verdict(listing, manifest, digests, found, counting)
        digest = digests.known.get(found.path)
        same = tuple(one for one in copies.get(digest or "", ()) if one.path != found.path)
        entries.append(
            Entry(found.path, found, rule, verdict, why or rule.reason, digest, same, tuple(told))
        )
    kept = tuple(sorted((one for one in entries if one), key=lambda one: one.path))
    return Plan(kept, len(protected), sum(one.size for one in protected))


def _verdict(
    listing: Listing, manifest: Manifest, digests: Digests, found: Found,
    named_in: Sequence[Mention],
) -> tuple[Verdict, str]:  # fmt: skip
    """The first reason to keep a file; protection before everything."""
    for path, through in ((found.path, ""), *_other_ways(listing.links, found.path)):
        if (rule := manifest.protected_by(path)) is not None:
            return Verdict.PROTECTED, f"protected{through}: {rule.reason}"
    if found.device != listing.device:
        return Verdict.OTHER_FILE_SYSTEM, "it is on another file system than the root"
    if found.path not in digests.known:
        return Verdict.UNREADABLE, digests.failed.get(found.path, "it was not read")
    if named_in:
        return Verdict.NAMED, "it is still named"
    return Verdict.MOVE, ""


def _other_ways(links: Iterable[Link], path: str) -> Iterable[tuple[str, str]]:
    """The paths by which symlinks lead to a file, with what to say of each."""
    for link in links:
        if link.target is None:
            continue
        if link.target == path:
            yield link.path, f" through the symlink {link.path}"
        elif link.target == "" or path.startswith(f"{link.target}/"):
            rest = path[len(link.target) + 1 :] if link.target else path
            yield f"{link.path}/{rest}", f" through the symlink {link.path}"


def _of_link(link: Link, manifest: Manifest) -> Entry | None:
    rule = manifest.deprecated_by(link.path)
    if rule is None:
        return None
    return Entry(
        link.path, None, rule, Verdict.SYMLINK, "it is a symlink: neither followed nor moved"
    )


def _is_about(mention: Mention, path: str, tails: set[tuple[str, ...]]) -> bool:
    """Whether a line means this file, not itself and not a namesake in another folder."""
    if mention.path == path:
        return False
    folder = path.rsplit("/", 2)[-2] if "/" in path else ""
    is_of_another = mention.folder != folder and (mention.folder, mention.name) in tails
    return not is_of_another


def _once(mentions: Iterable[Mention]) -> list[Mention]:
    by_line = {(one.path, one.line): one for one in mentions}
    return [by_line[where] for where in sorted(by_line)]


def _same_bytes(known: Mapping[str, str], protected: set[str]) -> dict[str, list[Copy]]:
    found: dict[str, list[Copy]] = defaultdict(list)
    for path in sorted(known):
        found[known[path]].append(Copy(path, path in protected))
    return found


def _name(path: str) -> str:
    return path.rpartition("/")[2]
