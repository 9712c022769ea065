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

KNOWN = (WarehouseError, LoaderError, GateError, ExportError, psycopg.OperationalError, OSError)


def is_known(error: BaseException) -> bool:
    """Whether the error's message was written for the person at the terminal."""
    return isinstance(error, KNOWN)


def exit_code_of(error: BaseException) -> int:
    """The code that the README's table promises for an error."""
    if isinstance(error, WarehouseError | LoaderError | GateError):
        return error.exit_code
    if isinstance(error, ExportError):
        # What is refused for good, a person has to change: a table's shape, a path.
        return UNAVAILABLE if error.is_transient else USAGE
    if isinstance(error, psycopg.OperationalError | OSError):
        return UNAVAILABLE
    return DEFECT
