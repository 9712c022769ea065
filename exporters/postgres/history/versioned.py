"""A published table whose rows are remembered."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from exporters.postgres.catalog import Column, Relation
from exporters.postgres.request import BROKER_INSTRUMENTS

SCHEMA = "history"


@dataclass(frozen=True, slots=True)
class Versioned:
    """A published table whose rows are remembered.

    Attributes:
        published: The table.
        columns: Those that are remembered; a change of another is no new version.
        compared: Those by which versions are told apart: all but what this publication added.
        past: Where its versions go that have ended.
        current: Since when each of its rows holds.
    """

    published: Relation
    columns: tuple[Column, ...]
    compared: tuple[str, ...]
    past: sql.Identifier
    current: sql.Identifier

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    @property
    def is_of_brokers(self) -> bool:
        """Whether its rows are a broker's, told apart by the broker's token."""
        return self.published.name == BROKER_INSTRUMENTS

    def has(self, name: str) -> bool:
        """Whether a column is remembered."""
        return name in self.names
