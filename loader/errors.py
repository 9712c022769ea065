"""What can go wrong while a dump is fetched and landed.

    LoaderError
    |-- SourceNotFound      usage: no such file, feed or kind of source         exit 2
    |-- DumpRefused         the dump itself is bad; the same bytes will not do   exit 1
    |   `-- DumpIncomplete  a part of it is missing; a download is tried again   exit 1
    |-- BrokerUnavailable   an outage at the broker or on the way; try later     exit 3
    `-- LandingFailed       PostgreSQL or the disk failed; the dump may be fine  exit 3

Each says what was seen, what was expected, and what happens next. None of them ever holds a
password, a token or a whole row.
"""

from __future__ import annotations

from typing import ClassVar, Self

UNCHANGED = "Nothing was landed, and consumers see what they saw."


class LoaderError(Exception):
    """Base of the loader's errors.

    Attributes:
        seen: what was found, with the file and line where there is one.
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

    def about(self, source: str) -> Self:
        """The same error, naming the dump that it is about."""
        return type(self)(
            f"{source}: {self.seen}", expected=self.expected, next_step=self.next_step
        )

    def __str__(self) -> str:
        return f"{self.seen}; expected {self.expected}. {self.next_step}"


class SourceNotFound(LoaderError):  # named for what happened, like KeyError's kin
    """The source names no file, feed or kind of place that the loader can read (exit 2)."""

    exit_code: ClassVar[int] = 2


class DumpRefused(LoaderError):  # named for what happened
    """The dump is not one that may be landed: damaged, cut short or of another shape (exit 1)."""

    exit_code: ClassVar[int] = 1


class DumpIncomplete(DumpRefused):  # named for what happened
    """The dump lacks its end, or everything: cut short, empty, without rows (exit 1).

    Brokers answer so while they rebuild the file: the next download may be whole.
    """


class BrokerUnavailable(LoaderError):  # named for what happened
    """The broker did not give a dump: unreachable, too slow, 5xx, or an HTML page (exit 3)."""


class LandingFailed(LoaderError):  # named for what happened
    """PostgreSQL or the disk failed while the dump was stored or landed (exit 3)."""
