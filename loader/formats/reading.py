"""What reading a dump gives, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_ROW_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows, ready for COPY.

    Attributes:
        payload: whole lines of COPY's text format.
        rows: how many.
        size: the uncompressed bytes of the dump that were read for them.
    """

    payload: bytes
    rows: int
    size: int


class Reading(Protocol):
    """A dump that is being read."""

    @property
    def delimiter(self) -> str:
        """What parts the fields of a block's lines."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The staging column of each field, after `_load_id` and `_line_number`."""

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Those of them that the feed does not know."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each thing that a person should know of; whole after the last block."""

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in file order, once.

        Raises:
            DumpRefused: the dump breaks a rule of its format.
        """
