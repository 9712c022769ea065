"""What makes two syncs the same: the dumps, the day, the filter, the prices, the models.

Subscription overrides count too; those are compared where they are kept (`exporters.postgres`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

# Not dbt's own folders, tests, or a profiles.yml that an analyst put there.
BUILT_FROM = (
    "dbt_project.yml",
    "macros/**/*.sql",
    "models/**/*.sql",
    "models/**/*.yml",
    "seeds/**/*",
)


def project_digest(project: Path) -> str:
    """A digest of every file that dbt builds from, seeds included."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in BUILT_FROM for path in project.glob(pattern)}):
        if path.is_file():
            name = path.relative_to(project).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def fingerprint(
    *,
    dumps: Mapping[str, str],
    as_of_date: date,
    filter_text: str,
    reference_prices: Mapping[str, Decimal],
    project: str,
) -> str:
    """The digest under which a publication is found again.

    Args:
        dumps: the sha256 of each feed's dump.
        as_of_date: the trading day.
        filter_text: the filter.
        reference_prices: rupees by underlying.
        project: `project_digest`.
    """
    facts = {
        "dumps": dict(sorted(dumps.items())),
        "as_of": as_of_date.isoformat(),
        "filter": filter_text,
        "reference_prices": {name: str(price) for name, price in sorted(reference_prices.items())},
        "project": project,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
