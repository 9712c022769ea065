"""Which column types can be exchanged without losing anything."""

from __future__ import annotations

import re
from typing import Literal

Family = Literal["integer", "numeric", "text", "date", "timestamp", "boolean"]

_INTEGER_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_TYPE = re.compile(r"(?P<base>[a-z ]+)(?:\((?P<size>\d+)(?:,(?P<scale>-?\d+))?\))?( .*)?")
_FAMILIES: dict[str, Family] = {
    "smallint": "integer", "integer": "integer", "bigint": "integer",
    "numeric": "numeric",
    "text": "text", "character varying": "text",
    "date": "date",
    "timestamp": "timestamp",
    "boolean": "boolean",
}  # fmt: skip


def family(type_name: str) -> Family | None:
    """The family of a type as `format_type` spells it; None for one that we never write."""
    return _FAMILIES.get(_parts(type_name)[0])


def is_lossless(old: str, new: str) -> bool:  # noqa: PLR0911  # a rule a family
    """Whether every value of the old type is the same value in the new one.

    Args:
        old: A type as `format_type` spells it: `numeric(12,2)`, `character varying(20)`.
        new: The type it would become.
    """
    if old == new:
        return True
    old_base, old_size, old_scale = _parts(old)
    new_base, new_size, new_scale = _parts(new)
    match (_FAMILIES.get(old_base), _FAMILIES.get(new_base)):
        case ("integer", "integer"):
            return _INTEGER_DIGITS[old_base] <= _INTEGER_DIGITS[new_base]
        case ("text", "text"):
            return new_size is None or (old_size is not None and old_size <= new_size)
        case ("integer", "numeric"):
            return new_size is None or _INTEGER_DIGITS[old_base] <= new_size - new_scale
        case ("numeric", "numeric") if old_size is not None and new_size is not None:
            return new_scale >= old_scale and new_size - new_scale >= old_size - old_scale
        case ("numeric", "numeric"):
            return new_size is None
        case _:
            return False


def _parts(type_name: str) -> tuple[str, int | None, int]:
    """Base name, length or precision, scale: `numeric(12,2)` is ('numeric', 12, 2)."""
    match = _TYPE.fullmatch(type_name)
    if match is None:
        return type_name, None, 0
    size = match["size"]
    base = match["base"]
    # `timestamp with time zone` and `timestamp(3) without time zone` are one family.
    base = "timestamp" if base.startswith("timestamp") else base
    return base, int(size) if size else None, int(match["scale"] or 0)
