"""Give a published table another primary key, where what its rows had then is known.

A key is how publications tell rows apart and how a rollback finds them, so a change of it is
a person's decision, but for those below, which were decided with the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import sql

from exporters.postgres.catalog import Relation
from exporters.postgres.session import Cursor


@dataclass(frozen=True, slots=True)
class Rekey:
    """A change of key that can be made without asking.

    Attributes:
        old: The key that publications had until then.
        new: The key that they have since.
        fills: For each column of the new key that older publications lack, what it would have
            held in their rows: SQL over their columns.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    fills: Mapping[str, LiteralString]


REKEYS: Final[Mapping[str, Rekey]] = {
    # Until other brokers were read, a number was token enough: it was Kite's.
    "broker_instruments": Rekey(
        old=("broker", "instrument_token"),
        new=("broker", "exchange", "broker_token"),
        fills={"broker_token": "instrument_token::text"},
    ),
}

_FORGET = """
with forgotten as (
    update ops.publications as p set summary = p.summary || '{"undo": "pruned"}'
    where p.publication_id < %(publication_id)s
)

delete from history.publication_changes where publication_id < %(publication_id)s
"""


def known_rekey(candidate: Relation, published: Relation) -> Rekey | None:
    """The change from the published key to the candidate's, if it is one that was decided."""
    known = REKEYS.get(published.name)
    if known and (published.key, candidate.key) == (known.old, known.new):
        return known
    return None


def fill_key(cursor: Cursor, table: Relation, rekey: Rekey, publication_id: int) -> None:
    """Fill the new key's columns in the rows that are published, and forget older undo rows.

    Those name rows by the old key: a rollback over this publication to one before the last
    could not tell which of its rows they are, and is refused as out of reach.
    """
    for column, expression in rekey.fills.items():
        name = sql.Identifier(column)
        cursor.execute(
            sql.SQL("update {} set {} = {} where {} is null").format(
                table.identifier, name, sql.SQL(expression), name
            )
        )
    cursor.execute(_FORGET, {"publication_id": publication_id})
