"""What `--accept RULE=reason` takes: checked before anything is started."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from expectations.rules import RULE_IDS
from warehouse.errors import UsageError

_NAME = re.compile(r"(?:- )?name: ([\w.]+)(?:\s+#.*)?")


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
    is_file = any(path.stem == name for path in dbt_project.glob("tests/singular/**/*.sql"))
    return is_file or any(
        name in _names_of_tests(path.read_text(encoding="utf-8"))
        for path in dbt_project.glob("*s/**/*.yml")
    )


def _names_of_tests(properties: str) -> Iterator[str]:
    """The names that stand below a `data_tests:` of a properties file, of which all have one.

    By indentation alone: reading YAML takes a second for what every sync may be asked.
    """
    column = None  # of the `data_tests:` that the line stands below
    for line in properties.splitlines():
        text = line.lstrip()
        if not text or text.startswith("#"):
            continue
        indent = len(line) - len(text)
        if column is not None and (indent < column or (indent == column and text[0] != "-")):
            column = None
        if column is None and text == "data_tests:":
            column = indent
        elif column is not None and (found := _NAME.fullmatch(text)):
            yield found[1]
