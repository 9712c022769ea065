"""Will every consumer find what it needs, in the shape it needs?"""

from __future__ import annotations

from typing import Final

from expectations.rules.rule import Rule, on_exchange, unless_all

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


def _subscriptions_by_segment(limit: str) -> str:
    """The subscriptions by name and segment, if there are more of them than a limit allows."""
    return f"""
        select name, segment, count(*) as subscriptions
        from {{candidate}}.active_subscriptions
        where (select subscriptions from facts) > {{{limit}}}
        group by name, segment
        order by count(*) desc, name, segment
    """


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="consumer-rows-agree",
        title="Every destination gets every instrument",
        severity="error",
        suite="consumers",
        facts="""
            select
                (
                    select rows from measure_relations where relation = 'broker_instruments'
                ) as evaluated,
                (
                    select rows from measure_relations where relation = 'exp_redis__instruments'
                ) as redis,
                (
                    select rows from measure_relations
                    where relation = 'exp_json__token_lookup'
                ) as token_lookup,
                (
                    select rows from measure_relations
                    where relation = 'exp_postgres__instruments'
                ) as postgres,
                (
                    select rows from measure_relations where relation = 'withheld_rows'
                ) as withheld
        """,
        unexpected="""
            select destination, rows, evaluated as expected
            from facts
            cross join lateral (
                values
                ('redis', redis),
                ('token_lookup', token_lookup),
                ('postgres, with the withheld', postgres + withheld)
            ) as destinations (destination, rows)
            where rows <> evaluated
        """,
        observed="{evaluated:,} instruments; Redis {redis:,}, token lookup {token_lookup:,}, "
        "PostgreSQL {postgres:,} and {withheld:,} withheld",
        limit="all equal",
        explanation="A destination would hold fewer or more instruments than the others: "
        "programs would disagree about what exists.",
        action="A defect of the models, not of the broker: do not accept; report it.",
    ),
    Rule(
        id="redis-values-complete",
        title="Every Redis hash has the values that its readers need",
        severity="error",
        suite="consumers",
        facts="""
            select rows as evaluated
            from measure_relations
            where relation = 'exp_redis__instruments'
        """,
        unexpected="""
            select
                instrument_token, tradingsymbol, exchange, instrument_type, segment, name, expiry,
                strike, tick_size, lot_size, exchange_token
            from {candidate}.exp_redis__instruments
            where
                coalesce(tradingsymbol, '') = ''
                or coalesce(exchange, '') = ''
                or coalesce(instrument_type, '') = ''
                or coalesce(segment, '') = ''
                or coalesce(strike, '') = ''
                or coalesce(tick_size, '') = ''
                or coalesce(lot_size, '') = ''
                or coalesce(exchange_token, '') = ''
                or name is null
                or expiry is null
                or (instrument_type in ('CE', 'PE') and strike = '0')
                or (instrument_type in ('CE', 'PE', 'FUT') and expiry = '')
            order by instrument_token
        """,
        observed="{evaluated:,} hashes looked at",
        limit="no value missing",
        explanation="A reader that calls float() or int() on a missing field stops.",
        action="A defect of the models or a blank in the dump: look at the rows below.",
    ),
    Rule(
        id="postgres-values-complete",
        title="Every row of public.instruments has the values that its readers need",
        severity="error",
        suite="consumers",
        facts="""
            select rows as evaluated
            from measure_relations
            where relation = 'exp_postgres__instruments'
        """,
        unexpected="""
            select
                instrument_token, trading_symbol, exchange, segment, instrument_type, expiry,
                strike, is_active, source
            from {candidate}.exp_postgres__instruments
            where
                instrument_token is null
                or coalesce(trading_symbol, '') = ''
                or coalesce(exchange, '') = ''
                or coalesce(segment, '') = ''
                or coalesce(instrument_type, '') = ''
                or is_active is null
                or coalesce(source, '') = ''
                or lot_size is null
                or tick_size is null
                or (instrument_type in ('CE', 'PE') and strike is null)
                or (instrument_type in ('CE', 'PE', 'FUT') and expiry is null)
            order by instrument_token
        """,
        observed="{evaluated:,} rows looked at",
        limit="no value missing",
        explanation="A query that filters on a missing value silently leaves the row out.",
        action="A defect of the models or a blank in the dump: look at the rows below.",
    ),
    Rule(
        id="filter-not-empty",
        title="Each part of the filter chooses subscriptions",
        severity="error",
        suite="consumers",
        applies=unless_all,
        facts="""
            select
                (
                    select rows from measure_relations where relation = 'broker_instruments'
                ) as evaluated,
                (
                    select rows from measure_relations where relation = 'active_subscriptions'
                ) as subscriptions
        """,
        unexpected="""
            select asked.filter as empty_filter
            from unnest({filter_names}::text[]) as asked (filter)
            where not exists (
                select 1
                from {candidate}.subscription_filters as filters
                inner join {candidate}.active_subscriptions as active
                    on active.name = filters.underlying and active.segment = filters.segment
                where lower(filters.filter) = asked.filter
            )
            order by asked.filter
        """,
        observed="{subscriptions:,} subscriptions",
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
        observed="{lines} line, {tokens:,} tokens, {evaluated:,} subscriptions",
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
        unexpected=_subscriptions_by_segment("subscriptions_max"),
        observed="{subscriptions:,} tokens",
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
        unexpected=_subscriptions_by_segment("subscriptions_warn"),
        observed="{subscriptions:,} tokens, over connections: {connections}",
        limit="at most {subscriptions_warn:,}",
        explanation="Ingestion must open more than one WebSocket connection.",
        action="Nothing if ingestion splits the tokens; otherwise choose a smaller filter.",
    ),
    Rule(
        id="withheld-subscriptions-none",
        title="No subscribed instrument is withheld from a destination",
        severity="error",
        suite="consumers",
        facts="""
            select
                (
                    select rows from measure_relations where relation = 'broker_instruments'
                ) as evaluated,
                (
                    select count(*) from {candidate}.withheld_rows where is_active
                ) as withheld
        """,
        unexpected="""
            select destination, instrument_token, tradingsymbol, reason
            from {candidate}.withheld_rows
            where is_active
            order by destination, instrument_token
        """,
        observed="{withheld:,} subscribed instruments withheld",
        limit="none",
        explanation="A destination cannot hold the instrument without rounding: ingestion reads "
        "its subscriptions there and would not stream it.",
        action="Remove it from the filter, or widen the destination's columns.",
    ),
    Rule(
        id="withheld-none",
        title="Every destination can hold every instrument exactly",
        severity="warning",
        suite="consumers",
        facts="""
            select
                (
                    select rows from measure_relations where relation = 'broker_instruments'
                ) as evaluated,
                (select count(*) from {candidate}.withheld_rows) as withheld
        """,
        unexpected="""
            select destination, instrument_token, tradingsymbol, reason
            from {candidate}.withheld_rows
            order by destination, instrument_token
        """,
        observed="{withheld:,} rows withheld",
        limit="none",
        explanation="A destination's columns cannot hold these without rounding or wrapping; "
        "they are left out there, never rounded.",
        action="Usually nothing: currency strikes such as 95.875 do not fit numeric(12,2).",
    ),
    Rule(
        id="focus-set-covered",
        title="Each focus underlying has contracts in the focus set",
        severity="error",
        suite="consumers",
        applies=on_exchange("NFO", "BFO"),
        facts="""
            select
                (
                    select count(*)
                    from {candidate}.focus_underlyings
                    where exchange = any({asked_exchanges}::text[])
                ) as evaluated,
                (select count(*) from {candidate}.focus_instruments) as contracts
        """,
        unexpected="""
            select focus.exchange, focus.underlying, asked.kind as missing_kind
            from {candidate}.focus_underlyings as focus
            cross join (values ('future'), ('option')) as asked (kind)
            where
                focus.exchange = any({asked_exchanges}::text[])
                and not exists (
                    select 1
                    from {candidate}.focus_instruments as instruments
                    where
                        instruments.exchange = focus.exchange
                        and instruments.underlying = focus.underlying
                        and instruments.kind = asked.kind
                )
            order by focus.exchange, focus.underlying, asked.kind
        """,
        observed="{contracts:,} contracts of {evaluated} underlyings",
        limit="futures and options of each",
        explanation="Strategies on the focus set would find nothing for this underlying.",
        action="Fetch a fresh dump; look whether the underlying is in it.",
    ),
)
