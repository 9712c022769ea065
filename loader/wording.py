"""Words that errors are made of."""

from __future__ import annotations

_SHOWN = 120


def count(number: int, noun: str) -> str:
    """`1 field`, `2 fields`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def with_article(noun: str) -> str:
    """`a Kite dump`, `an Upstox dump`."""
    return f"{'an' if noun[:1] in 'AEIOU' else 'a'} {noun}"


def shown(text: str) -> str:
    """A short, printable quotation of what was seen."""
    line = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return ascii(line) if not line.isprintable() else repr(line)
