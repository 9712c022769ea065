"""What can go wrong around the audit. A red verdict is an answer, not one of these.

    GateError
    |-- WorkerFailed        the audit's process died, hung or answered nonsense    exit 3
    |-- AuditFailed         the audit could not begin: no connection, no candidate  exit 3
    `-- AcceptanceRefused   --accept names no rule, or gives no reason             exit 2

Each says what was seen, what was expected, and what happens next. None of them ever holds a
password or a whole row.
"""

from __future__ import annotations

from typing import ClassVar

UNCHANGED = "Nothing was published; consumers see what they saw."


class GateError(Exception):
    """Base of the gate's errors.

    Attributes:
        seen: what was found.
        expected: what should have been there.
        next_step: what consumers see now and what to do.
        exit_code: what a command that ends with this error returns to the shell.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, seen: str, *, expected: str, next_step: str = UNCHANGED) -> None:
        super().__init__(seen, expected, next_step)
        self.seen = seen
        self.expected = expected
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.seen}; expected {self.expected}. {self.next_step}"


class WorkerFailed(GateError):  # named for what happened, like KeyError's kin
    """The audit's process died, hung, or answered what cannot be read (exit 3)."""


class AuditFailed(GateError):  # named for what happened
    """The audit could not begin or end: PostgreSQL, the candidate or the report folder (exit 3)."""


class AcceptanceRefused(GateError):  # named for what happened
    """`--accept` names a rule that does not exist, or gives no reason (exit 2)."""

    exit_code: ClassVar[int] = 2
