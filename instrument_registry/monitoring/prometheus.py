"""What was counted, in the text format that Prometheus reads, version 0.0.4.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based format): a HELP
and a TYPE line a family, then its samples; in label values backslash, quote and newline are
escaped; a histogram has cumulative buckets, the last `+Inf`, a sum and a count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from itertools import accumulate
from typing import Final

from instrument_registry.clock import INDIA
from instrument_registry.monitoring.lookup_counts import LookupCounts
from instrument_registry.registry import Registry

_FIRST_BUCKET: Final = 8
_LAST_BUCKET: Final = 30
_SECOND: Final = 1e9
_Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Shown:
    """A registry of this process.

    Attributes:
        registry_type: `comprehensive` or `intraday_focus`.
        rows: of all brokers.
        source: where it was read.
        publication: its number; None where the source has none.
        as_of_age_seconds: since the as-of day began in India; None where it is not known.
    """

    registry_type: str
    rows: int
    source: str
    publication: int | None
    as_of_age_seconds: float | None

    @classmethod
    def of(cls, registry: Registry, now: datetime) -> Shown:
        """What a registry shows at an instant."""
        told = registry.publication
        day = told.as_of_date
        begun = None if day is None else datetime.combine(day, time(), INDIA)
        age = None if begun is None else (now - begun).total_seconds()
        return cls(registry.registry_type.value, len(registry), told.source, told.number, age)


def exposition(counts: Sequence[LookupCounts], registries: Sequence[Shown]) -> str:
    """The whole text."""
    families = (
        ("instrument_registry_lookups_total", "counter",
         "Lookups with monitoring, by their result.", _lookups(counts)),
        ("instrument_registry_slow_lookups_total", "counter",
         "Lookups that took REGISTRY_SLOW_LOOKUP_MS or longer.",
         [("", _labels(one), one.slow) for one in counts]),
        ("instrument_registry_lookup_duration_seconds", "histogram",
         "How long lookups took.", [sample for one in counts for sample in _histogram(one)]),
        ("instrument_registry_publication_number", "gauge",
         "The publication that a registry shows.", _gauge(registries, "publication")),
        ("instrument_registry_as_of_age_seconds", "gauge",
         "Time since the as-of day of a registry's dumps began in India.",
         _gauge(registries, "as_of_age_seconds")),
        ("instrument_registry_rows", "gauge",
         "Rows of all brokers that a registry holds.", _gauge(registries, "rows")),
        ("instrument_registry_source_info", "gauge",
         "Where a registry was read; always 1.",
         [("", {"registry_type": one.registry_type, "source": one.source}, 1)
          for one in registries]),
    )  # fmt: skip
    return "".join(line for family in families for line in _family(*family))


def _family(name: str, kind: str, told: str, samples: Iterable[_Sample]) -> Iterable[str]:
    yield f"# HELP {name} {told}\n"
    yield f"# TYPE {name} {kind}\n"
    for suffix, labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{{{inside}}} {value!r}\n"


def _escaped(text: str) -> str:
    clean = text.encode("utf-8", "backslashreplace").decode()
    return clean.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _labels(one: LookupCounts) -> dict[str, str]:
    return {"module": one.module, "registry_type": one.registry_type}


def _lookups(counts: Iterable[LookupCounts]) -> Iterable[_Sample]:
    for one in counts:
        yield "", _labels(one) | {"result": "hit"}, one.hits
        yield "", _labels(one) | {"result": "miss"}, one.misses


def _histogram(one: LookupCounts) -> Iterable[_Sample]:
    # Counted from the buckets alone: other threads may have counted on meanwhile.
    upto = list(accumulate(one.buckets))
    for number in range(_FIRST_BUCKET, _LAST_BUCKET + 1):
        yield "_bucket", _labels(one) | {"le": repr(2**number / _SECOND)}, upto[number]
    yield "_bucket", _labels(one) | {"le": "+Inf"}, upto[-1]
    yield "_sum", _labels(one), one.nanoseconds / _SECOND
    yield "_count", _labels(one), upto[-1]


def _gauge(registries: Iterable[Shown], name: str) -> Iterable[_Sample]:
    for one in registries:
        value = getattr(one, name)
        if value is not None:
            yield "", {"registry_type": one.registry_type}, value
