"""Hold the candidate still, and make sure that it is the one that was audited."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import errors, sql

from exporters.postgres.catalog import Relation, read_relations
from exporters.postgres.errors import CandidateChanged
from exporters.postgres.request import PublishRequest
from exporters.postgres.session import UNCHANGED, Cursor, waiting_for


def audited_candidate(cursor: Cursor, request: PublishRequest) -> dict[str, Relation]:
    """The candidate's relations in the order of the request, kept from being rebuilt.

    Raises:
        CandidateChanged: One is missing, was rebuilt since the audit, or all of them are empty.
        DestinationUnavailable: A build holds one of them.
    """
    schema = request.candidate_schema
    names = [sql.Identifier(schema, name) for name in request.tables]
    what = f"the candidate in schema {schema}"
    try:
        with waiting_for(what, names[0].as_string(), cursor):
            cursor.execute(
                sql.SQL("lock table {} in access share mode").format(sql.SQL(", ").join(names))
            )
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        raise _changed(f"{what} is not whole: {error.diag.message_primary}") from error
    found = read_relations(cursor, schema, request.tables)
    candidate = {name: found[name] for name in request.tables}
    if request.expected_oids is not None:
        _refuse_rebuilt(candidate, request.expected_oids)
    _refuse_emptied(cursor, candidate)
    return candidate


def _refuse_rebuilt(candidate: Mapping[str, Relation], expected: Mapping[str, int]) -> None:
    rebuilt = [str(one) for name, one in candidate.items() if expected.get(name) != one.oid]
    if rebuilt:
        raise _changed(f"{', '.join(rebuilt)} were built again since the audit")


def _refuse_emptied(cursor: Cursor, candidate: Mapping[str, Relation]) -> None:
    """After a crash of the server the candidate is there, with its oids, and empty: unlogged."""
    tables = [one for one in candidate.values() if one.kind == "table"]
    if not tables:
        return
    some = sql.SQL(" or ").join(
        sql.SQL("exists (select from {})").format(one.identifier) for one in tables
    )
    row = cursor.execute(sql.SQL("select {}").format(some)).fetchone()
    if not (row and row[0]):
        raise _changed(
            f"all {len(tables)} tables of {tables[0].schema} are empty: "
            "a crash of the server empties unlogged tables"
        )


def _changed(seen: str) -> CandidateChanged:
    return CandidateChanged(
        seen,
        expected="the candidate that was audited",
        consumers=UNCHANGED,
        remedy="Run the sync again: it builds and audits afresh",
    )
