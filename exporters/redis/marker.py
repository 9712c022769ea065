"""The marker: which publication a Redis holds, in a hash outside `instrument:*`."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from exporters.destination import Plan
from exporters.published import Published

KEY = b"instruments:publication"
CHANNEL = b"instruments:updated"

COMPLETE = b"complete"
WRITING = b"writing"

Marker = Mapping[bytes, bytes]


def marker_of(published: Published, rows: int, state: bytes = COMPLETE) -> dict[bytes, bytes]:
    """The marker of a publication.

    Args:
        published: The publication.
        rows: How many instruments it has.
        state: COMPLETE, or WRITING while a cluster is being changed key by key.
    """
    return {
        b"publication": b"%d" % published.publication_id,
        b"rows": b"%d" % rows,
        b"as_of": published.as_of.isoformat().encode(),
        b"published_at": published.published_at.isoformat().encode(),
        b"fingerprint": published.fingerprint.encode(),
        b"state": state,
    }


def announcement_of(published: Published, plan: Plan) -> bytes:
    """What subscribers of `instruments:updated` are told, as JSON."""
    return orjson.dumps(
        {
            "publication": published.publication_id,
            "as_of": published.as_of.isoformat(),
            "added": plan.added,
            "changed": plan.changed,
            "removed": plan.removed,
        }
    )


def note_on(held: Marker | None, wanted: Marker, keys: int) -> str:
    """One line on what the marker says about where the Redis stands.

    Args:
        held: The marker found; None if the key is no hash.
        wanted: The marker of the publication.
        keys: How many instruments Redis holds.
    """
    if held == wanted:
        return ""
    if not keys:
        return "Redis holds no instrument: filled in full"
    if not held:
        return "Redis has no marker of a publication: every key was compared"
    if held.get(b"state") == WRITING:
        return "an earlier export into this cluster was cut off: every key was compared"
    number = held.get(b"publication", b"none").decode(errors="replace")[:20]
    return f"Redis held publication {number}"
