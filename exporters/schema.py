"""Apply `schema.sql`: the schemas and ledgers that publications need."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg


def ensure_schema(connection: psycopg.Connection[Any]) -> None:
    """Create what is missing of schemas `ops`, `marts` and `history`; commit is the caller's.

    Safe to call at every start, and from two processes at once.
    """
    # Two `create ... if not exists` at once can still collide in the catalogue.
    connection.execute("select pg_advisory_xact_lock(hashtextextended('exporters.schema', 0))")
    connection.execute(files(__package__).joinpath("schema.sql").read_bytes())
