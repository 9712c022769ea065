"""Will ingestion stream what was asked for, and can the broker's limits carry it?"""

from __future__ import annotations

from typing import Final

from expectations.rules.rule import Limit, Rule, unless_all

_SUBSCRIPTIONS = """
    select
        (select rows from measure_relations where relation = 'broker_instruments') as evaluated,
        (select rows from measure_relations where relation = 'active_subscriptions')
            as subscriptions,
        (
            select array_agg(
                least(
                    {subscriptions_per_connection},
                    rows - connection * {subscriptions_per_connection}
                )::text
                order by connection
            )
            from measure_relations
            cross join lateral generate_series(
                0, (rows - 1) / {subscriptions_per_connection}
            ) as connection
            where relation = 'active_subscriptions' and rows > 0
        ) as connections
"""


_SUBSCRIPTIONS_UNEXPECTED = """
    select name, segment, count(*) as subscriptions
    from {candidate}.active_subscriptions
    where (select subscriptions from facts) > {at_most}
    group by name, segment
    order by count(*) desc, name, segment
"""

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="filter-not-empty",
        title="Each part of the filter chooses subscriptions",
        severity="error",
        suite="consumers",
        applies=unless_all,
        facts="""
            select
                cardinality({filter_names}::text[]) as evaluated,
                (
                    select rows from measure_relations where relation = 'active_subscriptions'
                ) as subscriptions
        """,
        # As the model chooses: by underlying, which for shares and indices is the symbol and not
        # the company's name.
        unexpected="""
            select asked.filter as empty_filter
            from unnest({filter_names}::text[]) as asked (filter)
            where not exists (
                select 1
                from {candidate}.subscription_filters as filters
                -- one filter to many instruments
                inner join {candidate}.instruments as instruments
                    on instruments.underlying = filters.underlying
                -- one contract to one subscription, seldom to several
                inner join {candidate}.active_subscriptions as active
                    on
                        active.canonical_id = instruments.canonical_id
                        and active.segment = filters.segment
                where filters.filter = asked.filter
            )
            order by asked.filter
        """,
        observed="subscriptions: {subscriptions:,}",
        limit="at least 1 for each part of the filter",
        explanation="Ingestion would start with nothing to stream, or without one of the "
        "underlyings that were asked for.",
        action="Check the filter's spelling; otherwise the dump lacks these contracts.",
    ),
    Rule(
        id="dotenv-agrees",
        title="The .env line holds exactly the subscriptions",
        severity="error",
        suite="consumers",
        applies=unless_all,
        facts="""
            select
                (
                    select rows from measure_relations where relation = 'active_subscriptions'
                ) as evaluated,
                (select count(*) from {candidate}.exp_dotenv__instruments) as lines,
                (select max(tokens) from {candidate}.exp_dotenv__instruments) as tokens,
                (
                    select max(value) ~ '^[0-9]+(,[0-9]+)*$'
                    from {candidate}.exp_dotenv__instruments
                ) as is_readable
        """,
        unexpected="""
            with listed as (
                select parts.token, count(*) as times
                from {candidate}.exp_dotenv__instruments as dotenv
                cross join lateral regexp_split_to_table(dotenv.value, ',') as parts (token)
                group by parts.token
            )

            select
                coalesce(listed.token, active.instrument_token::text) as token,
                active.tradingsymbol,
                coalesce(listed.times, 0) as times_in_line,
                case when active.instrument_token is null then 0 else 1 end as expected
            from listed
            -- one to one, by token
            full outer join {candidate}.active_subscriptions as active
                on listed.token = active.instrument_token::text
            where
                listed.times is distinct from 1
                or active.instrument_token is null
            order by 1
        """,
        observed="lines: {lines}, tokens: {tokens:,}, subscriptions: {evaluated:,}",
        limit="one line with each subscribed token once",
        explanation="Ingestion reads the .env line and the database: they would stream different "
        "instruments.",
        action="A defect of the models, not of the broker: do not accept; report it.",
    ),
    Rule(
        id="subscriptions-within-limit",
        title="The subscriptions fit into three connections",
        severity="error",
        suite="consumers",
        facts=_SUBSCRIPTIONS,
        parameters={"at_most": Limit("subscriptions_max")},
        unexpected=_SUBSCRIPTIONS_UNEXPECTED,
        observed="tokens: {subscriptions:,}",
        limit="at most {subscriptions_max:,}",
        explanation="Kite allows 3 connections of 3,000 tokens for a key: the rest would not "
        "stream at all, and which part that is would be chance.",
        action="Choose a smaller filter, or remove overrides.",
    ),
    Rule(
        id="subscriptions-one-connection",
        title="The subscriptions fit into one connection",
        severity="warning",
        suite="consumers",
        facts=_SUBSCRIPTIONS,
        parameters={"at_most": Limit("subscriptions_warn")},
        unexpected=_SUBSCRIPTIONS_UNEXPECTED,
        observed="tokens: {subscriptions:,}, by connection: {connections}",
        limit="at most {subscriptions_warn:,}",
        explanation="Ingestion must open more than one WebSocket connection.",
        action="Nothing if ingestion splits the tokens; otherwise choose a smaller filter.",
    ),
)
