"""Python's garbage collector, out of the way while many containers are filled."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Fill lists and dicts without the collector going over them again and again.

    Not for half a million tuples that stay: it would go over all of them at the end at once, when
    they are out of the processor's caches; one by one, they cost half of that.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
