"""What was counted of lookups, as a value: of one process, or of many together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

BUCKETS: Final = 64
"""Bucket n counts lookups of more than 2**(n-1) and at most 2**n nanoseconds."""


@dataclass(frozen=True, slots=True)
class LookupCounts:
    """The lookups of one module in registries of one type.

    Attributes:
        module: its name.
        registry_type: `comprehensive` or `intraday_focus`.
        hits: lookups that found something.
        misses: lookups that did not, or raised.
        slow: lookups that took REGISTRY_SLOW_LOOKUP_MS or longer.
        nanoseconds: what all took together.
        longest: what the longest took, nanoseconds.
        buckets: how many took how long, see `BUCKETS`.
    """

    module: str
    registry_type: str
    hits: int
    misses: int
    slow: int
    nanoseconds: int
    longest: int
    buckets: tuple[int, ...]

    @property
    def total(self) -> int:
        """All lookups."""
        return self.hits + self.misses

    def most(self, share: float) -> float | None:
        """A time in milliseconds that this share of the lookups did not exceed; None for none.

        Times are known to a power of two: it is at most twice the quantile.
        """
        needed, seen = share * sum(self.buckets), 0
        for number, count in enumerate(self.buckets):
            seen += count
            if count and seen >= needed:
                return min(float(1 << number), self.longest) / 1e6
        return None

    def as_document(self) -> dict[str, Any]:
        """For JSON; trailing buckets that are empty are left out."""
        used = max((at for at, count in enumerate(self.buckets, start=1) if count), default=0)
        return {
            "module": self.module,
            "registry_type": self.registry_type,
            "hits": self.hits,
            "misses": self.misses,
            "slow": self.slow,
            "nanoseconds": self.nanoseconds,
            "longest_nanoseconds": self.longest,
            "buckets": list(self.buckets[:used]),
        }

    @classmethod
    def of_document(cls, document: Any) -> LookupCounts:
        """What `as_document` made.

        Raises:
            ValueError: it is something else.
        """
        names = ("hits", "misses", "slow", "nanoseconds", "longest_nanoseconds")
        if not isinstance(document, dict):
            raise ValueError("a lookup record is no object")  # noqa: TRY004 - it is data
        texts = [document.get(name) for name in ("module", "registry_type")]
        buckets = document.get("buckets")
        if not all(isinstance(text, str) for text in texts) or not isinstance(buckets, list):
            raise ValueError("a lookup record lacks module, registry_type or buckets")
        counts = [document.get(name) for name in names]
        if not all(type(count) is int and count >= 0 for count in (*counts, *buckets)):
            raise ValueError("a lookup record has a count that is no number")
        if len(buckets) > BUCKETS:
            raise ValueError(f"a lookup record has {len(buckets)} buckets; expected {BUCKETS}")
        padded = (*buckets, *([0] * (BUCKETS - len(buckets))))
        hits, misses, slow, nanoseconds, longest = (count or 0 for count in counts)
        return cls(str(texts[0]), str(texts[1]), hits, misses, slow, nanoseconds, longest, padded)


def summed(counts: Iterable[LookupCounts]) -> tuple[LookupCounts, ...]:
    """One for each module and registry type."""
    together: dict[tuple[str, str], list[LookupCounts]] = defaultdict(list)
    for one in counts:
        together[one.module, one.registry_type].append(one)
    return tuple(
        LookupCounts(
            module, kind, sum(one.hits for one in ones), sum(one.misses for one in ones),
            sum(one.slow for one in ones), sum(one.nanoseconds for one in ones),
            max(one.longest for one in ones),
            tuple(map(sum, zip(*(one.buckets for one in ones), strict=True))),
        )
        for (module, kind), ones in sorted(together.items())
    )  # fmt: skip
