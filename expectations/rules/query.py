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
        ) as samples
"""
# SQLAlchemy reads `:name` in a text as a parameter, except after a colon, word or backslash.
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(?=\w)")


def placeholders(request: AuditRequest, situation: Situation) -> dict[str, sql.Composable]:
    """What the placeholders of rules and measures stand for in one audit."""
    limits = request.thresholds
    values: dict[str, object] = asdict(limits) | {
        "as_of": request.as_of_date,
        "has_publication": situation.has_publication,
        "other_feeds": situation.other_feeds,
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
        "landed_feeds": _landed_feeds(request, situation),
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
    }
    return compose(_RULE, parts)


def for_sqlalchemy(query: str) -> str:
    """Escapes what SQLAlchemy's `text` would read as a parameter."""
    return _PARAMETER.sub(r"\\:", query)


def for_great_expectations(query: str) -> str:
    """Escapes, besides, what Great Expectations would read as a placeholder of its own."""
    return for_sqlalchemy(query).replace("{", "{{").replace("}", "}}")


def measures(values: Mapping[str, sql.Composable]) -> list[str]:
    """The statements that fill the measures, in order."""
    script = files("expectations").joinpath("measures.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return [compose(part, values) for part in code.split(";\n") if part.strip()]
