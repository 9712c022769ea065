"""What `--accept RULE=reason` takes: checked before anything is started."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from expectations.rules import RULE_IDS
from warehouse.errors import UsageError


def read_acceptances(given: Sequence[str], dbt_project: Path) -> dict[str, str]:
    """Rules that may pass once, with an operator's reason for each.

    Args:
        given: as typed, `RULE=reason`.
        dbt_project: where dbt's tests are written. dbt knows their names only after parsing;
            each is the name of a file or stands in one.

    Raises:
        UsageError: a reason is missing, or no rule and no dbt test has that name.
    """
    accepted = {}
    for text in given:
        rule, _, reason = (part.strip() for part in text.partition("="))
        if not rule or not reason:
            raise UsageError(f"--accept {text!r} is not RULE=reason; the reason is recorded.")
        if rule not in RULE_IDS and not _is_written(rule, dbt_project):
            raise UsageError(
                f"--accept names {rule!r}, which is no rule of the gate and no dbt test; the "
                f"report shows the names of those that failed."
            )
        accepted[rule] = reason
    return accepted


def _is_written(name: str, dbt_project: Path) -> bool:
    is_file = any(path.stem == name for path in dbt_project.glob("tests/**/*.sql"))
    named = re.compile(rf"^\s*(?:- )?name: {re.escape(name)}$", re.MULTILINE)
    return is_file or any(
        named.search(path.read_text()) for path in dbt_project.glob("*s/**/*.yml")
    )
