"""How names, sizes and ages are printed."""

from __future__ import annotations

from typing import Final

_SURROGATE: Final = 0xDC00
_DAY: Final = 86_400
_HOUR: Final = 3_600
_STEP: Final = 1000
_BYTES_AS: Final = ("bytes", "kB", "MB", "GB", "TB")


def name(path: str) -> str:
    r"""A path on one line: what cannot be printed as `\n` or `\xff`."""
    return "".join(one if one.isprintable() and one != "\\" else _escaped(one) for one in path)


def _escaped(one: str) -> str:
    # A byte that is no UTF-8 comes as a surrogate, 0xDC00 above itself.
    if _SURROGATE <= ord(one) <= _SURROGATE + 0xFF:
        return f"\\x{ord(one) - _SURROGATE:02x}"
    return one.encode("unicode_escape").decode()


def size(count: int) -> str:
    """`0 bytes`, `18.0 kB`, `1.2 GB`."""
    value, unit = float(count), 0
    while value >= _STEP and unit < len(_BYTES_AS) - 1:
        value, unit = value / _STEP, unit + 1
    if unit == 0:
        return f"{count} {'byte' if count == 1 else 'bytes'}"
    return f"{value:.1f} {_BYTES_AS[unit]}"


def age(seconds: float) -> str:
    """`212 days`, `5 hours`; `new` below an hour, and for a time that is yet to come."""
    if seconds < _HOUR:
        return "new"
    if seconds < 2 * _DAY:
        return f"{int(seconds // _HOUR)} hours"
    return f"{int(seconds // _DAY)} days"


def files(count: int) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {'file' if count == 1 else 'files'}"
