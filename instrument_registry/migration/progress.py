"""How far each module is, and what comes next: decided from facts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from instrument_registry.migration.facts import Facts
from instrument_registry.migration.old_readers import OldReader
from instrument_registry.modules import MODULES, module_of
from instrument_registry.monitoring.lookup_counts import LookupCounts, summed
from instrument_registry.records import RegistryType


class State(StrEnum):
    """How far a module is."""

    BLOCKED = "blocked"
    """Its registry cannot be read right now."""
    READS_OLD = "reads old files"
    """Source files of it still read what is old."""
    READY = "ready"
    """Its registry can be read, but no lookup of it was seen."""
    MOVED = "moved"
    """Its lookups go through the registry."""


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """One module.

    Attributes:
        module: its name.
        registry_type: what the flags give it.
        state: how far it is.
        counts: its lookups, of every name that belongs to it; None if none was seen.
        old_readers: lines of it that read what is old.
    """

    module: str
    registry_type: RegistryType
    state: State
    counts: LookupCounts | None
    old_readers: tuple[OldReader, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The whole migration.

    Attributes:
        modules: one each of `MODULES`.
        elsewhere: lines and variables that belong to none of them.
        others: lookups of modules that there is no flag for.
        next_step: what to do now.
    """

    modules: tuple[ModuleStatus, ...]
    elsewhere: tuple[OldReader, ...]
    others: tuple[LookupCounts, ...]
    next_step: str

    @property
    def moved(self) -> int:
        """How many modules have moved."""
        return sum(one.state is State.MOVED for one in self.modules)

    @property
    def percent(self) -> int:
        """The same of a hundred, rounded down."""
        return 100 * self.moved // len(self.modules)


def progress_of(facts: Facts) -> Progress:
    """Put what is known together."""
    readers = (*facts.variables, *(facts.sources.readers if facts.sources else ()))
    modules = tuple(_status(facts, module, readers) for module in MODULES)
    elsewhere = tuple(one for one in readers if one.module is None)
    others = tuple(one for one in facts.counts if module_of(one.module) is None)
    return Progress(modules, elsewhere, others, _next(facts, modules, elsewhere))


def _status(facts: Facts, module: str, readers: Sequence[OldReader]) -> ModuleStatus:
    kind = facts.types[module]
    mine = [one for one in facts.counts if module_of(one.module) == module]
    counts = _together(module, kind, mine)
    old = tuple(one for one in readers if one.module == module)
    if facts.readings[kind].why_not:
        state = State.BLOCKED
    elif old:
        state = State.READS_OLD
    else:
        state = State.READY if counts is None else State.MOVED
    return ModuleStatus(module, kind, state, counts, old)


def _together(
    module: str, kind: RegistryType, counts: Sequence[LookupCounts]
) -> LookupCounts | None:
    # Under one name, whichever registry type they asked before the flags were what they are.
    named = [
        LookupCounts(
            module, kind.value, one.hits, one.misses, one.slow, one.nanoseconds, one.longest,
            one.buckets,
        )
        for one in counts if one.total
    ]  # fmt: skip
    return next(iter(summed(named)), None)


def _next(facts: Facts, modules: Sequence[ModuleStatus], elsewhere: Sequence[OldReader]) -> str:
    """The first thing that is not yet so."""
    blocked = [one.module for one in modules if one.state is State.BLOCKED]
    reading = [*(line for one in modules for line in one.old_readers), *elsewhere]
    unseen = [one.module for one in modules if one.counts is None]
    steps = (
        (blocked, f"make a publication readable for {_list(blocked)}; what keeps them is above"),
        (reading, f"change what still reads old files, {_first(reading)}"),
        (unseen and facts.stats_folder is None,
         f"set REGISTRY_STATS_DIR: without it nobody sees whether {_list(unseen)} look up"),
        (unseen, f"let {_list(unseen)} look up through the registry; no lookup was seen"),
        (facts.sources is None,
         "run this with --root, to find source files that still read old files"),
        (facts.sources is not None and facts.sources.old_files,
         "take the old files away with python -m instrument_registry.cleanup_old_token_files"),
        (True, "nothing; every module has moved, and no old file is left"),
    )  # fmt: skip
    return next(step for is_due, step in steps if is_due)


def _first(readers: Sequence[OldReader]) -> str:
    if not readers:
        return ""
    first = readers[0]
    at = f"{first.where}:{first.line}" if first.line else first.where
    what = f"{first.variable} in {at}" if first.variable else at
    return what + (f" and {len(readers) - 1} more" if len(readers) > 1 else "")


def _list(names: Sequence[str]) -> str:
    if len(names) == len(MODULES):
        return "every module"
    return " and ".join(", ".join(names).rsplit(", ", 1))
