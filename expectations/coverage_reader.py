"""Reads how far the brokers cover the market and agree, of the candidate or what is published.

Both have the same marts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from expectations.audit import cell
from expectations.changes import KITE, read_broker_changes, relation_exists
from expectations.coverage import SAMPLES, BrokerCoverage, Counted, FeedDay, matched_parts


def read_coverage(
    connection: psycopg.Connection, schema: str, days: Mapping[str, FeedDay] | None = None
) -> tuple[BrokerCoverage, ...]:
    """Every broker's coverage, Kite first, then by name.

    Args:
        connection: to the database.
        schema: `candidate`, or the published one.
        days: the feeds that there should be, with their days: one without a row is told too.

    Returns:
        Empty where nothing was built, or by models that did not know of other brokers.
    """
    if not all(relation_exists(connection, sql.Identifier(schema, name)) for name in _MARTS):
        return ()
    lines = _query(
        connection,
        "select feed, exchange, kind, status, reason, covered_rows, samples, as_of_date, is_stale "
        "from {} order by feed, exchange, kind, status, reason",
        schema,
        "broker_coverage",
    )
    counted: dict[str, list[Counted]] = {name: [] for name in days or {}}
    told = dict(days or {})
    for line in lines:
        told[line["feed"]] = FeedDay(line["as_of_date"], line["is_stale"])
        counted.setdefault(line["feed"], []).append(_counted(line))
    disagreements, samples = _disagreements(connection, schema)
    return tuple(
        BrokerCoverage(
            broker,
            told[broker],
            tuple(counted[broker]),
            disagreements.get(broker, {}),
            samples.get(broker, ()),
        )
        for broker in sorted(counted, key=lambda name: (name != KITE, name))
    )


def read_report_coverage(
    connection: psycopg.Connection, candidate_schema: str, published_schema: str
) -> tuple[BrokerCoverage, ...]:
    """The candidate's coverage, with what changed since the last publication.

    With Kite alone there is nothing more to read.
    """
    found = read_coverage(connection, candidate_schema)
    if all(broker.broker == KITE for broker in found):
        return found
    before = read_matched(connection, published_schema)
    return tuple(
        broker
        if broker.broker == KITE
        else replace(
            broker,
            changes=read_broker_changes(
                connection, broker.broker, candidate_schema=candidate_schema
            ),
            matched_before=before.get(broker.broker, {}),
        )
        for broker in found
    )


def read_matched(connection: psycopg.Connection, schema: str) -> dict[str, dict[str, float]]:
    """The matched part of each broker's rows by exchange; empty where it was never told."""
    if not relation_exists(connection, sql.Identifier(schema, "broker_coverage")):
        return {}
    lines = _query(
        connection,
        "select feed, exchange, status, sum(covered_rows)::bigint as rows from {} "
        "group by feed, exchange, status",
        schema,
        "broker_coverage",
    )
    return matched_parts(lines)


_MARTS: Final = ("broker_coverage", "broker_disagreements")


def _counted(line: Mapping[str, Any]) -> Counted:
    return Counted(
        exchange=cell(line["exchange"]),
        kind=line["kind"],
        status=line["status"],
        reason=line["reason"],
        rows=line["covered_rows"],
        samples=tuple(cell(text) for text in line["samples"][:SAMPLES]),
    )


def _disagreements(
    connection: psycopg.Connection, schema: str
) -> tuple[dict[str, dict[str, int]], dict[str, tuple[dict[str, str], ...]]]:
    counts: dict[str, dict[str, int]] = {}
    for line in _query(
        connection,
        "select broker, attribute, count(*) as rows from {} group by broker, attribute "
        "order by broker, rows desc, attribute",
        schema,
        "broker_disagreements",
    ):
        counts.setdefault(line["broker"], {})[line["attribute"]] = line["rows"]
    samples: dict[str, tuple[dict[str, str], ...]] = {}
    for broker in counts:
        found = _query(
            connection,
            # The first of each kind before the second of any.
            "select attribute as what, exchange, tradingsymbol, broker_value as here, "
            "reference_broker as elsewhere, reference_value as there, "
            "case when is_active then 'yes' else '' end as subscribed "
            "from {} where broker = %s "
            "order by is_active desc, row_number() over (partition by is_active, attribute "
            "order by exchange, tradingsymbol, broker_token), attribute limit %s",
            schema,
            "broker_disagreements",
            (broker, SAMPLES),
        )
        samples[broker] = tuple(
            {name: cell(value) for name, value in line.items()} for line in found
        )
    return counts, samples


def _query(
    connection: psycopg.Connection,
    query: LiteralString,
    schema: str,
    relation: str,
    parameters: tuple[object, ...] = (),
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(sql.SQL(query).format(sql.Identifier(schema, relation)), parameters)
        return cursor.fetchall()
