"""The status of a migration, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from instrument_registry.cleanup import shown
from instrument_registry.migration.facts import Facts, Reading
from instrument_registry.migration.old_readers import OldReader
from instrument_registry.migration.progress import Progress
from instrument_registry.monitoring.lookup_counts import LookupCounts
from instrument_registry.monitoring.stats_files import COUNTED_DAYS

_READERS_SHOWN: Final = 20
_DIGITS: Final = ("none", "one", "two", "three", "four", "five")


def as_text(facts: Facts, progress: Progress, now: datetime) -> str:
    """A page to read."""
    whole = len(progress.modules)
    moved = f"{_DIGITS[progress.moved]} of {_DIGITS[whole]} modules"
    lines = [
        f"Migration to the registry: {moved} moved ({progress.percent} %)",
        "", *_flags(facts), "", *_modules(progress), "", *_readings(facts, now), "",
        *_lookups(facts, progress, now), "", *_old_readers(facts, progress), "",
        f"Next: {progress.next_step}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _flags(facts: Facts) -> list[str]:
    return [
        "Flags",
        *(f"  {name:<34} {'true' if one.value else 'false':<6} {one.source} {one.where}".rstrip()
          for name, one in facts.flags.items()),
    ]  # fmt: skip


def _modules(progress: Progress) -> list[str]:
    lines = [
        f"{'Modules':<19} {'registry':<15} {'state':<16} {'lookups':>10}  {'hits':>6}  average"
    ]
    for one in progress.modules:
        counts = f"{0:>10}" if one.counts is None else _counted(one.counts)
        lines.append(f"  {one.module:<17} {one.registry_type.name:<15} {one.state:<16} {counts}")
    return lines


def _counted(counts: LookupCounts) -> str:
    share = f"{100 * counts.hits / counts.total:.1f} %" if counts.total else ""
    return f"{counts.total:>10,}  {share:>6}  {_average(counts):.3f} ms"


def _average(counts: LookupCounts) -> float:
    return counts.nanoseconds / counts.total / 1e6 if counts.total else 0.0


def _readings(facts: Facts, now: datetime) -> list[str]:
    lines = ["Read right now"]
    for kind, reading in facts.readings.items():
        if reading.publication is not None:
            lines.append(f"  {kind.name:<15} {_publication(reading, now)}")
        if reading.why_not:
            lines.append(f"  {kind.name:<15} not available: {reading.why_not}")
    return lines


def _publication(reading: Reading, now: datetime) -> str:
    told = reading.publication
    assert told is not None  # noqa: S101 - the caller asked
    age = told.age_seconds(now)
    parts = [
        told.source,
        f"publication {told.number}" if told.number is not None else "publication unknown",
        f"as of {told.as_of_date}" if told.as_of_date else "as-of date unknown",
        "age unknown" if age is None else f"{_ago(age)} old",
        f"{reading.rows:,} rows",
    ]
    if told.stale_brokers:
        parts.append(f"an older dump of {', '.join(told.stale_brokers)}")
    return ", ".join(parts)


def _ago(seconds: float) -> str:
    told = shown.age(seconds)
    return "less than an hour" if told == "new" else told


def _lookups(facts: Facts, progress: Progress, now: datetime) -> list[str]:
    lines = ["Lookups"]
    seen = facts.gathered
    if facts.stats_folder is None:
        lines.append(
            "  of this process alone; REGISTRY_STATS_DIR, where others leave theirs, is not set"
        )
    elif seen.newest is None:
        lines.append(f"  no process has left any in {facts.stats_folder} in {COUNTED_DAYS} days")
    else:
        newest = _ago((now - seen.newest).total_seconds())
        count = f"{seen.processes} {'process' if seen.processes == 1 else 'processes'}"
        lines.append(f"  of {count} in the last {COUNTED_DAYS} days, the last {newest} ago")
    lines += [f"  {one.module}: {_counted(one).strip()}" for one in progress.others]
    lines += [f"  not read: {shown.name(name)}: {why}" for name, why in seen.refused]
    return lines


def _old_readers(facts: Facts, progress: Progress) -> list[str]:
    found = [line for one in progress.modules for line in one.old_readers]
    found += progress.elsewhere
    lines = [f"Old files are read in {len(found)} {'place' if len(found) == 1 else 'places'}"]
    lines += [f"  {_reader(one)}" for one in found[:_READERS_SHOWN]]
    if len(found) > _READERS_SHOWN:
        lines.append(f"  and {len(found) - _READERS_SHOWN} more; --json has them all")
    if facts.sources is None:
        lines.append("  looked at variables only; --root DIR looks at source files")
    else:
        lines += [f"  not read: {shown.name(path)}: {why}" for path, why in facts.sources.unread]
    return lines


def _reader(one: OldReader) -> str:
    where = f"{shown.name(one.where)}:{one.line}" if one.line else shown.name(one.where)
    named = f"{one.variable} names {one.names}" if one.variable else one.names
    return f"{where}: {named}" + (f" ({one.module})" if one.module else "")


def as_document(facts: Facts, progress: Progress, now: datetime) -> dict[str, Any]:
    """The same for programs."""
    return {
        "at": now.isoformat(),
        "progress": {
            "moved": progress.moved, "modules": len(progress.modules),
            "percent": progress.percent,
        },
        "next_step": progress.next_step,
        "flags": {name: asdict(one) for name, one in facts.flags.items()},
        "modules": {
            one.module: {
                "registry_type": one.registry_type.value,
                "state": one.state.value,
                "lookups": None if one.counts is None else _figures(one.counts),
                "old_readers": len(one.old_readers),
            }
            for one in progress.modules
        },
        "registries": {
            kind.value: _reading(reading, now) for kind, reading in facts.readings.items()
        },
        "lookups": {
            "stats_folder": None if facts.stats_folder is None else str(facts.stats_folder),
            "processes": facts.gathered.processes,
            "files_left_out": facts.gathered.left_out,
            "newest": None if facts.gathered.newest is None else facts.gathered.newest.isoformat(),
            "refused": [{"file": name, "why": why} for name, why in facts.gathered.refused],
            "by_module": [
                {"module": one.module, "registry_type": one.registry_type, **_figures(one)}
                for one in facts.counts
            ],
        },
        "old_readers": [
            asdict(line) for one in progress.modules for line in one.old_readers
        ] + [asdict(line) for line in progress.elsewhere],
        "old_files": None if facts.sources is None else facts.sources.old_files,
        "unread": [] if facts.sources is None else [
            {"path": path, "why": why} for path, why in facts.sources.unread
        ],
    }  # fmt: skip


def _figures(counts: LookupCounts) -> dict[str, Any]:
    return {
        "total_lookups": counts.total,
        "hits": counts.hits,
        "misses": counts.misses,
        "slow_lookups": counts.slow,
        "avg_lookup_time_ms": _average(counts),
        "p99_lookup_time_at_most_ms": counts.most(0.99),
        "max_lookup_time_ms": counts.longest / 1e6,
    }


def _reading(reading: Reading, now: datetime) -> dict[str, Any]:
    told = reading.publication
    return {
        "is_available": not reading.why_not,
        "why_not": reading.why_not or None,
        "rows": reading.rows,
        "source": told and told.source,
        "publication": told and told.number,
        "as_of_date": told.as_of_date.isoformat() if told and told.as_of_date else None,
        "age_seconds": told and told.age_seconds(now),
        "stale_brokers": list(told.stale_brokers) if told else [],
        "passed_over": list(told.passed_over) if told else [],
    }
