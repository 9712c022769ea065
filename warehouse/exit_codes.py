"""Exit codes, for errors of every package."""

from __future__ import annotations

import psycopg

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


def exit_code_of(error: BaseException) -> int:
    """The code that the README's table promises for an error."""
    if isinstance(error, WarehouseError | LoaderError):
        return error.exit_code
    if isinstance(error, ExportError):
        return UNAVAILABLE if error.is_transient else GATE_RED
    if isinstance(error, psycopg.OperationalError | OSError):
        return UNAVAILABLE
    return DUMP_REFUSED
