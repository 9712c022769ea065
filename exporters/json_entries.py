"""The members of a JSON object, compared one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from exporters.destination import SAMPLE_LINES, Plan

Document = dict[str, Any]

_CHUNK = 2000
_SHOWN = 120


def differing(held: bytes | None, wanted: bytes) -> Plan | None:
    """The plan that turns one document into another; None when no JSON object is held.

    Spacing and order do not count. Only what differs is parsed where both are compact and their
    members are flat objects: two documents of a hundred thousand members, of which a thousand
    changed, are not read in whole.

    Args:
        held: what a file holds; None without a file.
        wanted: the document that it should hold.
    """
    if held is None:
        return None
    pieces = _differing_pieces(held, wanted)
    documents = tuple(map(_joined, pieces)) if pieces else ()
    if not documents or None in documents:
        documents = (_members(held), _members(wanted))
    before, after = documents
    return None if before is None else difference(before, after or {})


def _differing_pieces(held: bytes, wanted: bytes) -> tuple[list[bytes], list[bytes]] | None:
    """The texts of the members that only one of the documents has; None in any other layout.

    Inside a text of JSON a quote is escaped, so `},"` can stand between two members only.
    """
    if not (held and _is_compact(held) and _is_compact(wanted)):
        return None
    before, after = (content[2:-3].split(b'},"') for content in (held, wanted))
    known, needed = set(before), set(after)
    if len(known) != len(before):  # a member stands there twice
        return None
    return [one for one in before if one not in needed], [one for one in after if one not in known]


def _is_compact(content: bytes) -> bool:
    return content.startswith(b'{"') and content.endswith(b"}}\n")


def _joined(pieces: list[bytes]) -> Document | None:
    """The members whose texts these are; None when they are no members after all."""
    found = _members(b'{"' + b'},"'.join(pieces) + b"}}") if pieces else {}
    return found if found is not None and len(found) == len(pieces) else None


def _members(content: bytes) -> Document | None:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def difference(held: Document, wanted: Document) -> Plan:
    """Entry by entry; 65 and 65.0 are not the same."""
    added = [key for key in wanted if key not in held]
    common = [key for key in wanted if key in held]
    changed = [key for keys in _chunks(common) for key in _unequal(keys, held, wanted)]
    removed = [key for key in held if key not in wanted]
    samples = {
        "added": tuple(line(key, wanted[key]) for key in added[:SAMPLE_LINES]),
        "changed": tuple(
            f"{line(key, held[key])} -> {_text(wanted[key])}" for key in changed[:SAMPLE_LINES]
        ),
        "removed": tuple(line(key, held[key]) for key in removed[:SAMPLE_LINES]),
    }
    return Plan(
        added=len(added),
        changed=len(changed),
        removed=len(removed),
        samples={kind: some for kind, some in samples.items() if some},
    )


def _chunks(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]


def _unequal(keys: list[str], held: Document, wanted: Document) -> list[str]:
    if _bytes([held[key] for key in keys]) == _bytes([wanted[key] for key in keys]):
        return []
    return [key for key in keys if _bytes(held[key]) != _bytes(wanted[key])]


def _bytes(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _text(value: Any) -> str:
    return _bytes(value).decode()[:_SHOWN]


def line(key: str, value: Any) -> str:
    """A member, short enough to show."""
    return f"{key[:40]}: {_text(value)}"
