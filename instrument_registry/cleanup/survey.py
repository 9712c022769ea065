"""Look at a root: list it, read what has to be read, and plan."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from instrument_registry.cleanup import plan as planning
from instrument_registry.cleanup.manifest import Manifest, Rule
from instrument_registry.cleanup.mentions import Searched, search
from instrument_registry.cleanup.plan import Digests, Plan
from instrument_registry.cleanup.tree import Found, Listing, listed


@dataclass(frozen=True, slots=True)
class Survey:
    """What is there, who names what, and what would happen."""

    listing: Listing
    searched: Searched
    plan: Plan


def survey(root: Path, manifest: Manifest, include_named: Sequence[Rule] = ()) -> Survey:
    """Look at a root that `tree.root_of` gave; nothing is changed.

    Raises:
        RootRefused: the root cannot be listed.
    """
    listing = listed(root)
    old = planning.old_files(listing, manifest)
    digests = _digests(root, planning.to_hash(listing, old))
    searched = search(root, listing.files, planning.names_of(old))
    plan = planning.make_plan(listing, manifest, digests, searched.mentions, include_named)
    return Survey(listing, searched, plan)


def _digests(root: Path, files: Iterable[Found]) -> Digests:
    known: dict[str, str] = {}
    failed: dict[str, str] = {}
    for one in files:
        try:
            descriptor = os.open(root / one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            failed[one.path] = f"it cannot be read: {error.strerror}"
            continue
        try:
            known[one.path] = digest_of(descriptor)
        except OSError as error:
            failed[one.path] = f"it cannot be read: {error.strerror}"
    return Digests(known, failed)


def digest_of(descriptor: int) -> str:
    """The SHA-256 of an open file, which is closed.

    Raises:
        OSError: it cannot be read.
    """
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
