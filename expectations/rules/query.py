"""Composes the SQL of a rule: names and limits go in as identifiers and literals, never as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Final

from psycopg import sql

from expectations.audit import AuditRequest
from expectations.rules.rule import Limit, Rule, Situation

# A rule's query gives one row: what was measured, how much is unexpected, and the first of it.
_RULE: Final = """
    with facts as ({facts}),

    unexpected as ({unexpected})

    select
        (select to_jsonb(facts)::text from facts) as facts,
        (select count(*) from unexpected) as unexpected,
        (
            select coalesce(jsonb_agg(to_jsonb(sample)), '[]')::text
            from (select * from unexpected limit {samples}) as sample
        ) as samples,
        {refuses} as refuses
"""
_REFUSED: Final = """(
    select coalesce(jsonb_agg(distinct {column}), '[]')::text from unexpected
)"""
# What dbt builds only where there is another broker than Kite.
BROKER_CHANGES: Final = "broker_instrument_changes"
# SQLAlchemy reads `:name` in a text as a parameter, except after a colon, word or backslash.
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(?=\w)")


def placeholders(request: AuditRequest, situation: Situation) -> dict[str, sql.Composable]:
    """What the placeholders of rules and measures stand for in one audit."""
    limits = request.thresholds
    values: dict[str, object] = asdict(limits) | {
        "as_of": request.as_of_date,
        "has_publication": situation.has_publication,
        "other_feeds": situation.other_feeds,
        "landed_names": situation.landed_feeds,
        "fresh_feeds": situation.fresh_feeds,
        "compared_feeds": situation.compared_feeds,
        "published_feeds": situation.published_feeds,
        "asked_segments": limits.asked_segments,
        "asked_exchanges": sorted(situation.exchanges | set(limits.required_exchanges)),
        "filter_names": [
            part.strip().lower() for part in request.filter.split(",") if part.strip()
        ],
    }
    return {
        "candidate": sql.Identifier(request.candidate_schema),
        "staging": sql.Identifier(request.staging_schema),
        "published": _published(request, "broker_instruments", exists=situation.has_publication),
        "published_subscriptions": _published(
            request, "active_subscriptions", exists=situation.has_published_subscriptions
        ),
        "build_feeds": _build_feeds(situation),
        "loads": _loads(situation),
        "landed_feeds": _landed_feeds(request, situation),
        "broker_changes": _broker_changes(request, situation),
    } | {name: _literal(value) for name, value in values.items()}


def _published(request: AuditRequest, name: str, *, exists: bool) -> sql.Composable:
    if exists:
        return sql.Identifier(request.published_schema, name)
    # Before the first publication the same columns, without rows, stand in for it.
    return sql.SQL("(select * from {} where false) as nothing_published").format(
        sql.Identifier(request.candidate_schema, name)
    )


def _build_feeds(situation: Situation) -> sql.Composable:
    if situation.has_build_feeds:
        return sql.Identifier("ops", "build_feeds")
    return sql.SQL(
        "(select null::text as feed, null::bigint as load_id, null::date as as_of_date, "
        "null::boolean as is_stale where false)"
    )


def _loads(situation: Situation) -> sql.Composable:
    if situation.has_ledgers:
        return sql.Identifier("ops", "loads")
    return sql.SQL(
        "(select null::bigint as load_id, null::text as feed, null::text as sha256, "
        "null::date as as_of_date, null::text as status where false)"
    )


def _broker_changes(request: AuditRequest, situation: Situation) -> sql.Composable:
    if situation.other_feeds:
        return sql.Identifier(request.candidate_schema, BROKER_CHANGES)
    return sql.SQL(
        "(select null::text as broker, null::text as exchange, null::text as broker_token, "
        "null::text as change, null::text as canonical_id, null::text as tradingsymbol, "
        "null::text as old_value, "
        "null::text as new_value, null::boolean as is_active where false)"
    )


def _landed_feeds(request: AuditRequest, situation: Situation) -> sql.Composable:
    """The landed rows of every feed beside Kite, counted where they landed."""
    nothing = sql.SQL("select null::text as feed, 0::bigint as rows where false")
    counts = [
        sql.SQL("select {}, count(*) from {}").format(
            sql.Literal(feed), sql.Identifier(request.staging_schema, f"{feed}_instruments")
        )
        for feed in situation.landed_feeds
    ]
    return sql.SQL("({})").format(sql.SQL(" union all ").join([nothing, *counts]))


def _literal(value: object) -> sql.Composable:
    return sql.Literal(list(value) if isinstance(value, tuple) else value)


def _own(value: object, values: Mapping[str, sql.Composable]) -> sql.Composable:
    """A rule's own parameter: a limit by its name, an identifier, or a literal."""
    if isinstance(value, Limit):
        return values[value.name]
    return value if isinstance(value, sql.Composable) else _literal(value)


def compose(template: str, values: Mapping[str, sql.Composable]) -> str:
    """A query with its placeholders filled in.

    The template is one of ours (a constant of a rule), so that it may be taken as SQL.
    """
    trusted = sql.SQL(template)
    return trusted.format(**values).as_string(None)


def rule_query(rule: Rule, values: Mapping[str, sql.Composable]) -> str:
    """The query of a rule."""
    own = {name: _own(value, values) for name, value in rule.parameters.items()}
    values = {**values, **own}
    parts = {
        "facts": sql.SQL(compose(rule.facts, values)),
        "unexpected": sql.SQL(compose(rule.unexpected, values)),
        "samples": values["samples"],
        "refuses": sql.SQL(_refused(rule)),
    }
    return compose(_RULE, parts)


def _refused(rule: Rule) -> str:
    """The brokers that a rule's unexpected rows name, where a breach is their dumps' fault."""
    if not rule.refuses_dumps:
        return "'[]'"
    column = "broker" if re.search(r"\bbroker\b", rule.unexpected) else "feed"
    return _REFUSED.format(column=column)


def for_sqlalchemy(query: str) -> str:
    """Escapes what SQLAlchemy's `text` would read as a parameter."""
    return _PARAMETER.sub(r"\\:", query)


def for_great_expectations(query: str) -> str:
    """Escapes, besides, what Great Expectations would read as a placeholder of its own."""
    return for_sqlalchemy(query).replace("{", "{{").replace("}", "}}")


def measures(values: Mapping[str, sql.Composable], *, of_feeds: bool = True) -> list[str]:
    """The statements that fill the measures, in order.

    Args:
        values: what the placeholders stand for.
        of_feeds: also those that only the rules on brokers beside Kite read.
    """
    scripts = ["measures.sql", *(["measures_of_feeds.sql"] if of_feeds else [])]
    return [compose(part, values) for name in scripts for part in _statements(name)]


def _statements(name: str) -> list[str]:
    script = files("expectations").joinpath(name).read_text(encoding="utf-8")
    code = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return [part for part in code.split(";\n") if part.strip()]
