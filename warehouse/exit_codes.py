"""Exit codes, for errors of every package."""

from __future__ import annotations

import psycopg

from expectations.errors import GateError
from exporters.errors import ExportError
from loader.errors import LoaderError
from warehouse.errors import WarehouseError

OK = 0
DUMP_REFUSED = 1
USAGE = 2
UNAVAILABLE = 3
GATE_RED = 4
PENDING = 5
ANOTHER_SYNC = 6
DEFECT = 70  # sysexits.h: an error in the program itself
INTERRUPTED = 130  # 128 and the signal of Ctrl-C, as shells say it

OURS = (WarehouseError, LoaderError, GateError, ExportError)
# The world's doing, not a defect, though the words are not ours.
FOREIGN = (psycopg.OperationalError, OSError)


def is_told(error: BaseException) -> bool:
    """Whether the error's message was written for the person at the terminal."""
    return isinstance(error, OURS)


def is_known(error: BaseException) -> bool:
    """Whether it is no defect of the warehouse."""
    return isinstance(error, OURS + FOREIGN)


def exit_code_of(error: BaseException) -> int:
    """The code that the README's table promises for an error."""
    if isinstance(error, OURS):
        return error.exit_code
    if isinstance(error, FOREIGN):
        return UNAVAILABLE
    return DEFECT
