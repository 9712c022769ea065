"""The names that `--filter` and REFERENCE_PRICES take: what two seeds define, and `all`."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Collection
from pathlib import Path

from warehouse.errors import UsageError

ALL = "all"


def known_filters(dbt_project: Path) -> tuple[str, ...]:
    """Every filter that the seed defines, in its order, then `all`."""
    with (dbt_project / "seeds" / "subscription_filters.csv").open(newline="") as handle:
        names = dict.fromkeys(row["filter"] for row in csv.DictReader(handle))
    return (*names, ALL)


def check_prices(names: Collection[str], dbt_project: Path) -> None:
    """Refuse a reference price of something that has no focus set.

    Raises:
        UsageError: naming it, and what has one.
    """
    with (dbt_project / "seeds" / "focus_underlyings.csv").open(newline="") as handle:
        known = [row["underlying"] for row in csv.DictReader(handle)]
    for name in names:
        if name not in known:
            raise UsageError(
                f"REFERENCE_PRICES names {name!r}; the focus underlyings are {', '.join(known)} "
                f"(dbt_project/seeds/focus_underlyings.csv defines them)."
            )


def read_filter(text: str, dbt_project: Path) -> tuple[str, ...]:
    """Split and check a filter such as `nifty` or `nifty,sensex`.

    Raises:
        UsageError: naming the part that is not known, and those that are.
    """
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    known = known_filters(dbt_project)
    if not names:
        raise UsageError(f"The filter is empty. Known filters: {', '.join(known)}.")
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"Filter {name!r} is not known.{meant} Known filters: {', '.join(known)}. "
                f"dbt_project/seeds/subscription_filters.csv defines them."
            )
    if ALL in names and len(names) > 1:
        raise UsageError("Filter `all` leaves subscriptions as they are; it stands alone.")
    return names
