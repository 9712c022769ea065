"""Every error of the exporters, and what to do about each.

    ExportError                    base; never raised itself
    ├── DestinationUnavailable     it cannot be reached or written now: retry          exit 3
    ├── DestinationRefused         it holds what we will not overwrite: a person decides  exit 4
    └── VerificationError          it was written, and reads back as something else    exit 4

The exit codes are those of a publication that PostgreSQL does not take: nothing is published
then. A destination outside PostgreSQL that fails is pending, and the command ends with 5.

`exporters.postgres.errors` adds what only a publication can meet. Each error carries four
sentences: what was seen, what was expected, what consumers see now, what happens next.
"""

from __future__ import annotations

from typing import ClassVar


class ExportError(Exception):
    """A destination could not be brought to a publication.

    Args:
        seen: What was found, with names, counts and samples; never a password or a whole row.
        expected: What should have been there.
        consumers: What the readers of the destination see now.
        remedy: What happens next, or what a person should do.
    """

    is_transient = False
    """Whether the same command may succeed later with nothing else changed."""

    exit_code: ClassVar[int] = 4
    """What a command that ends with this error, and publishes nothing, returns to the shell."""

    def __init__(
        self, seen: str, *, expected: str = "", consumers: str = "", remedy: str = ""
    ) -> None:
        self.seen = seen
        self.expected = expected
        self.consumers = consumers
        self.remedy = remedy
        super().__init__(" ".join(_sentence(part) for part in self._parts() if part))

    def _parts(self) -> tuple[str, ...]:
        expected = f"Expected: {self.expected}" if self.expected else ""
        return (self.seen, expected, self.consumers, self.remedy)


class DestinationUnavailable(ExportError):
    """The destination cannot be reached, is read-only, full or held by somebody: retry later."""

    is_transient = True
    exit_code = 3


class DestinationRefused(ExportError):
    """The destination has a shape or content that is not ours to change: a person decides."""


class VerificationError(ExportError):
    """The destination was written and does not read back as the publication."""


def _sentence(text: str) -> str:
    """The text with a full stop, so that the parts read as one paragraph."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
