"""Looks at what there is to judge before any rule runs: which rules apply, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from expectations.audit import AuditRequest
from expectations.errors import AuditFailed
from expectations.rules.query import BROKER_CHANGES
from expectations.rules.rule import Before, Situation

# What the rules read; a candidate without one of them was not built by this project's models.
CANDIDATE_RELATIONS: Final = (
    "active_subscriptions",
    "broker_coverage",
    "broker_disagreements",
    "broker_instruments",
    "excluded_rows",
    "exp_dotenv__instruments",
    "exp_json__token_lookup",
    "exp_postgres__instruments",
    "exp_redis__instruments",
    "focus_instruments",
    "focus_underlyings",
    "instrument_changes",
    "instruments",
    "rejected_rows",
    "repeated_rows",
    "subscription_filters",
    "withheld_rows",
)
# The ledgers that say which dump this is and which ones were published.
LEDGERS: Final = ("build_parameters", "loads", "publications")
BUILD_FEEDS: Final = "build_feeds"
KITE: Final = "kite"

# Counted apart from the measures, so that a measure that lost its rows is not taken for a last
# publication that had none.
_BEFORE: Final = """
    select
        published.broker,
        published.exchange,
        count(*),
        count(*) filter (where published.strike <> trunc(published.strike)),
        count(*) filter (where focus.underlying is not null and published.expiry_date is not null)
    from {} as published
    -- many to one: the seed names an underlying once an exchange
    left join {} as focus
        on published.name = focus.underlying and published.exchange = focus.exchange
    where coalesce(published.expiry_date >= %s, true)
    group by published.broker, published.exchange
"""


@dataclass(frozen=True, slots=True)
class _Fed:
    """Whether a feed's dump has landed, and whether it is one of the day."""

    is_landed: bool
    is_fresh: bool


_NEVER: Final = _Fed(is_landed=False, is_fresh=False)


class CandidateIncomplete(Exception):  # becomes a red answer, not an error
    """There is no whole candidate to judge: dbt could not build it."""


def look(request: AuditRequest) -> Situation:
    """What there is to judge, and whether there is something to compare it with.

    Raises:
        AuditFailed: the database cannot be reached.
        CandidateIncomplete: there is no dump, or the candidate lacks a relation.
    """
    try:
        with psycopg.connect(request.dsn) as connection:
            return _look(connection, request)
    except psycopg.OperationalError as error:
        raise AuditFailed(
            f"PostgreSQL cannot be reached: {' '.join(str(error).split())}",
            expected="the database that holds the candidate",
        ) from error
    except psycopg.ProgrammingError:
        # libpq quotes the address in its message, and a password may be in it.
        raise AuditFailed(
            "the database's address cannot be read", expected="a PostgreSQL URI"
        ) from None


def _look(connection: psycopg.Connection, request: AuditRequest) -> Situation:
    missing = _missing(connection, request)
    if missing:
        raise CandidateIncomplete(f"there is no {', '.join(missing)}")
    published = request.published_schema
    has_publication = _exists(connection, published, "broker_instruments") and _has_rows(
        connection, published, "broker_instruments"
    )
    has_subscriptions = _exists(connection, published, "active_subscriptions")
    exchanges = _exchanges(connection, request.candidate_schema)
    before = _before(connection, request) if has_publication else {}
    fed = _feeds(connection)
    other_feeds = tuple(sorted({*fed, *exchanges} - {KITE}))
    if other_feeds and not _exists(connection, request.candidate_schema, BROKER_CHANGES):
        raise CandidateIncomplete(f"there is no {request.candidate_schema}.{BROKER_CHANGES}")
    return Situation(
        has_publication=has_publication,
        exchanges=exchanges.get(KITE, frozenset()),
        filter=request.filter,
        thresholds=request.thresholds,
        before=before.get(KITE, {}),
        has_published_subscriptions=has_subscriptions,
        is_anything_subscribed=_has_rows(
            connection, request.candidate_schema, "active_subscriptions"
        )
        or (has_subscriptions and _has_rows(connection, published, "active_subscriptions")),
        has_ledgers=all(_exists(connection, "ops", name) for name in LEDGERS),
        has_options=_has_landed(connection, request, "instrument_type in ('CE', 'PE')"),
        has_contracts=_has_landed(connection, request, "expiry <> ''"),
        has_build_feeds=_exists(connection, "ops", BUILD_FEEDS),
        other_feeds=other_feeds,
        landed_feeds=tuple(feed for feed in other_feeds if fed.get(feed, _NEVER).is_landed),
        fresh_feeds=tuple(feed for feed in other_feeds if fed.get(feed, _NEVER).is_fresh),
        is_kite_stale=KITE in fed and not fed[KITE].is_fresh,
        published_feeds=tuple(sorted({*before} - {KITE})),
        rows_before_of_feeds={
            feed: tuple(each.rows for each in exchanges_before.values())
            for feed, exchanges_before in before.items()
            if feed != KITE
        },
    )


def _missing(connection: psycopg.Connection, request: AuditRequest) -> list[str]:
    landed = {KITE, *(feed for feed, fed in _feeds(connection).items() if fed.is_landed)}
    wanted = [(request.staging_schema, f"{feed}_instruments") for feed in sorted(landed)]
    wanted += [(request.candidate_schema, name) for name in CANDIDATE_RELATIONS]
    return [f"{schema}.{name}" for schema, name in wanted if not _exists(connection, schema, name)]


def _feeds(connection: psycopg.Connection) -> dict[str, _Fed]:
    """The feeds of the build; empty where nobody says."""
    if not _exists(connection, "ops", BUILD_FEEDS):
        return {}
    found = connection.execute(
        "select feed, load_id is not null, load_id is not null and not is_stale "
        "from ops.build_feeds"
    )
    return {str(feed): _Fed(is_landed, is_fresh) for feed, is_landed, is_fresh in found}


def _exists(connection: psycopg.Connection, schema: str, name: str) -> bool:
    found = connection.execute(
        "select to_regclass(format('%%I.%%I', %s::text, %s::text)) is not null", (schema, name)
    ).fetchone()
    return bool(found and found[0])


def _has_rows(connection: psycopg.Connection, schema: str, name: str) -> bool:
    query = sql.SQL("select exists (select 1 from {})").format(sql.Identifier(schema, name))
    found = connection.execute(query).fetchone()
    return bool(found and found[0])


def _has_landed(
    connection: psycopg.Connection, request: AuditRequest, which: LiteralString
) -> bool:
    query = sql.SQL("select exists (select 1 from {} where {})").format(
        sql.Identifier(request.staging_schema, "kite_instruments"), sql.SQL(which)
    )
    found = connection.execute(query).fetchone()
    return bool(found and found[0])


def _exchanges(connection: psycopg.Connection, schema: str) -> dict[str, frozenset[str]]:
    """The exchanges that the candidate holds, by broker."""
    query = sql.SQL("select broker, exchange from {} group by broker, exchange").format(
        sql.Identifier(schema, "broker_instruments")
    )
    found: dict[str, set[str]] = {}
    for broker, exchange in connection.execute(query):
        found.setdefault(broker, set()).add(exchange)
    return {broker: frozenset(exchanges) for broker, exchanges in found.items()}


def _before(connection: psycopg.Connection, request: AuditRequest) -> dict[str, dict[str, Before]]:
    """What is live of the last publication, by broker and exchange."""
    query = sql.SQL(_BEFORE).format(
        sql.Identifier(request.published_schema, "broker_instruments"),
        sql.Identifier(request.candidate_schema, "focus_underlyings"),
    )
    found: dict[str, dict[str, Before]] = {}
    for broker, exchange, *numbers in connection.execute(query, (request.as_of_date,)):
        found.setdefault(broker, {})[exchange] = Before(*numbers)
    return found
