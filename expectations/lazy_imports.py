"""Puts off or leaves out modules that Great Expectations imports and that the gate never uses.

Its Kolmogorov-Smirnov and divergence expectations import SciPy's statistics and Altair, a third
of the whole import in time and memory. They are postponed: such a module is imported in full at
its first use, so nothing is taken away.

Its sources other than PostgreSQL (Spark, pandas, Snowflake, ...) and the expectations that no rule
uses define hundreds of classes as they are imported, a third of what then remains. Great
Expectations names these classes at once, so they cannot be postponed. They are left out: such a
class has its name and cannot be used.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import NoReturn

UNUSED = frozenset({"altair", "scipy.stats"})
_FLUENT = "great_expectations.datasource.fluent"
_CORE = "great_expectations.expectations.core"
UNNEEDED = re.compile(rf"{_FLUENT}\.(\w+_datasource|fabric)|{_CORE}\.expect_\w+")
# PostgreSQL's source with what it builds upon, what stands in for one that could not be read from
# a file, and the expectations of `suites`.
NEEDED = frozenset({
    f"{_FLUENT}.invalid_datasource",
    f"{_FLUENT}.sql_datasource",
    f"{_FLUENT}.postgres_datasource",
    f"{_CORE}.expect_column_distinct_values_to_contain_set",
    f"{_CORE}.expect_table_row_count_to_be_between",
})  # fmt: skip


class LeftOut:
    """What stands where a class of a module that is left out would be."""

    def __init__(self, *_: object, **__: object) -> NoReturn:
        message = f"{type(self).__module__} is left out of this process: lazy_imports.py says why"
        raise NotImplementedError(message)


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


class _Never:
    """Finds the modules that are left out, and loads nothing of them."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec of a module of placeholders; None for every other module."""
        if name in NEEDED or not UNNEEDED.fullmatch(name):
            return None
        return ModuleSpec(name, self)  # type: ignore[arg-type]  # a loader by what it can do

    def create_module(self, _spec: ModuleSpec) -> None:
        """The usual kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        """Whatever is asked of it is a class that cannot be used."""

        def placeholder(name: str) -> type[LeftOut]:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (LeftOut,), {"__module__": module.__name__})

        module.__getattr__ = placeholder  # type: ignore[method-assign]  # PEP 562


def postpone(names: Collection[str] = UNUSED) -> None:
    """From now on these modules are loaded at their first use, in this process."""
    sys.meta_path.insert(0, _Later(names))


def leave_out_unneeded() -> None:
    """From now on Great Expectations knows no source and no expectation but what `NEEDED` says."""
    sys.meta_path.insert(0, _Never())
