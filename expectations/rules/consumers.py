"""Will every consumer find what it needs, in the shape it needs?"""

from __future__ import annotations

from typing import Final

from expectations.rules.rule import Rule, on_exchange

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
        observed="withheld and subscribed: {withheld:,}",
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
        observed="withheld rows: {withheld:,}",
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
