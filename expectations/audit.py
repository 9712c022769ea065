"""What an audit is asked and what it answers, as values that travel as JSON between processes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal

from expectations.thresholds import Thresholds

Severity = Literal["error", "warning"]
Status = Literal["passed", "failed", "warned", "accepted", "not_applicable", "not_evaluated"]

# A cell of a sample row longer than this is cut: a hostile name may be 10 kB.
CELL_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """One audit.

    Attributes:
        dsn: where the candidate is: any libpq URI or connection string.
        run_id: names the run in the report.
        started_at: when the run began, aware.
        as_of_date: the trading day of the dump (Asia/Kolkata).
        filter: the subscription filter as typed (`nifty`, `nifty,sensex`, `all`).
        report_dir: the run's report folder; Data Docs go to `data_docs/` in it, and nothing is
            written anywhere else. None writes none.
        candidate_schema: what dbt built.
        published_schema: what consumers see; the last publication.
        staging_schema: the dump as text.
        thresholds: the limits.
    """

    dsn: str
    run_id: str
    started_at: datetime
    as_of_date: date
    filter: str
    report_dir: Path | None
    candidate_schema: str = "candidate"
    published_schema: str = "marts"
    staging_schema: str = "staging"
    thresholds: Thresholds = field(default_factory=Thresholds)

    def as_json(self) -> dict[str, Any]:
        """The request as JSON values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {
            "started_at": self.started_at.isoformat(),
            "as_of_date": self.as_of_date.isoformat(),
            "report_dir": self.report_dir and str(self.report_dir.absolute()),
            "thresholds": asdict(self.thresholds),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> AuditRequest:
        """The inverse of `as_json`."""
        limits: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values["thresholds"].items()
        }
        return cls(
            **{
                **values,
                "started_at": datetime.fromisoformat(values["started_at"]),
                "as_of_date": date.fromisoformat(values["as_of_date"]),
                "report_dir": values["report_dir"] and Path(values["report_dir"]),
                "thresholds": Thresholds(**limits),
            }
        )


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule found.

    Attributes:
        rule: the rule's id, stable for ever: `--accept` and runbooks name it.
        title: what the rule promises, in plain words.
        severity: an `error` turns the gate red, a `warning` is told.
        status: `not_applicable` where there is nothing to compare with (and `observed` says
            why); `not_evaluated` where the rule could not be run, which is red for an error.
        observed: what was measured, in words.
        limit: what was allowed, in words.
        unexpected_count: rows, or measured items, that break the rule.
        samples: the first of them, column to text.
        explanation: what it means to a trader.
        action: what an operator can do.
        origin: `gate`, or `dbt` for a dbt test.
        accepted_reason: why an operator let it pass, where one did.
        refuses: the brokers beside Kite whose dumps break it, where their dumps of last time would
            not; empty for everything else.
    """

    rule: str
    title: str
    severity: Severity
    status: Status
    observed: str
    limit: str = ""
    unexpected_count: int = 0
    samples: tuple[Mapping[str, str], ...] = ()
    explanation: str = ""
    action: str = ""
    origin: Literal["gate", "dbt"] = "gate"
    accepted_reason: str = ""
    refuses: tuple[str, ...] = ()

    @property
    def is_evaluated(self) -> bool:
        """Whether the rule looked at something."""
        return self.status not in ("not_applicable", "not_evaluated")

    @property
    def is_red(self) -> bool:
        """Whether this result alone turns the gate red."""
        return self.severity == "error" and self.status in ("failed", "not_evaluated")

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {
            "samples": [dict(sample) for sample in self.samples],
            "refuses": list(self.refuses),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RuleResult:
        """The inverse of `as_json`."""
        return cls(
            **{
                **values,
                "samples": tuple(dict(sample) for sample in values["samples"]),
                "refuses": tuple(values["refuses"]),
            }
        )


def cell(value: object) -> str:
    """One value of a sample row as text, cut to a readable length."""
    if value is None:
        return ""
    text = str(value)
    return text if len(text) <= CELL_CHARACTERS else f"{text[:CELL_CHARACTERS]}..."


# Characters that would turn the text around them: a name must not rewrite the line it is in.
_TURNING: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_HIDDEN: Final = re.compile(rf"[\x00-\x1f\x7f-\x9f{_TURNING}\u2028\u2029\ufeff\ud800-\udfff]")


def visible(text: object) -> str:
    """Text with escapes, as Python spells them, in place of characters that do not show."""
    return _HIDDEN.sub(lambda found: ascii(found.group())[1:-1], str(text))
