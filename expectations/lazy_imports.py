"""Puts off modules that Great Expectations imports and that the gate never uses.

Its Kolmogorov-Smirnov and divergence expectations import SciPy's statistics and Altair, a third
of the whole import in time and memory. A postponed module is imported in full at its first use,
so nothing is taken away.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

UNUSED = frozenset({"altair", "scipy.stats"})


class _Later:
    """Finds some modules as usual, and has them loaded at their first use."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec with a lazy loader; None for every other module."""
        if name not in self._names:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def postpone(names: Collection[str] = UNUSED) -> None:
    """From now on these modules are loaded at their first use, in this process."""
    sys.meta_path.insert(0, _Later(names))
