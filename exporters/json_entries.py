"""The members of a JSON object, compared one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from exporters.destination import SAMPLE_LINES, Plan

Document = dict[str, Any]

_CHUNK = 2000
_SHOWN = 120


def members(content: bytes | None) -> Document | None:
    """The members of the object that a file holds; None if it holds none."""
    if content is None:
        return None
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
