"""Did the whole dump arrive, and did every row of it type?"""

from __future__ import annotations

from typing import Final

from expectations.rules.rule import Limit, Rule, Stock, after_ledgered_publication

_REPEATS_FACTS = """
    select
        relations.rows as evaluated,
        (
            select count(distinct repeats.repeated_value)
            from measure_repeats as repeats
            where repeats.repeats = {kind} and repeats.is_focus = {is_focus}
        ) as repeated
    from measure_relations as relations
    where relations.relation = 'staging.kite_instruments'
"""
_REPEATS_UNEXPECTED = """
    select
        repeated_value, _line_number as line, instrument_token, tradingsymbol, exchange, segment,
        name
    from measure_repeats
    where repeats = {kind} and is_focus = {is_focus}
    order by repeated_value, _line_number
"""


_REJECTED_FACTS = """
    select
        landed.rows as evaluated,
        landed.rows as landed,
        rejected.rows as rejected,
        rejected.rows::numeric / nullif(landed.rows, 0) as ratio
    from measure_relations as landed
    cross join measure_relations as rejected
    where landed.relation = 'staging.kite_instruments' and rejected.relation = 'rejected_rows'
"""
_REJECTED_UNEXPECTED = """
    select line_number as line, column_name, value, reason, tradingsymbol, exchange
    from {candidate}.rejected_rows
    where
        feed = 'kite'
        and (is_focus_underlying or not {only_focus})
        and (select ratio from facts) > {max_ratio}
    order by line_number, column_name
"""

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="staging-not-empty",
        title="The landed dump holds rows",
        severity="error",
        suite="landing",
        stock=Stock("row_count"),
        observed="{observed:,} rows landed",
        limit="at least 1 row",
        explanation="There is no dump to trade on.",
        action="Fetch the dump again; look at the loader's log.",
    ),
    Rule(
        id="dump-is-new",
        title="The dump is not one that was published for another day",
        severity="warning",
        suite="landing",
        applies=after_ledgered_publication,
        facts="""
            with dump as (
                select loads.sha256
                from ops.build_parameters as parameters
                -- one to one
                inner join ops.loads as loads on parameters.load_id = loads.load_id
            )

            select
                count(publications.dump_sha256) as evaluated,
                left(max(dump.sha256), 12) as sha256,
                max(publications.publication_id) filter (
                    where
                        publications.dump_sha256 = dump.sha256
                        and publications.as_of_date <> {as_of}
                ) as publication
            from dump
            -- one dump to every publication
            cross join ops.publications as publications
        """,
        unexpected="""
            select
                publications.publication_id as publication,
                publications.as_of_date as published_for,
                {as_of} as as_of_date,
                publications.dump_sha256
            from facts
            -- one to one, or none
            inner join ops.publications as publications
                on facts.publication = publications.publication_id
        """,
        observed="published for another day already: {publication}; the dump, {sha256}, was "
        "compared with {evaluated:,} publications",
        limit="none",
        explanation="The very same bytes would be published as the dump of the as-of day: what "
        "was listed or delisted since is not in them.",
        action="On a holiday nothing; otherwise the broker has not rebuilt its file yet: run "
        "again later.",
    ),
    Rule(
        id="rows-reconcile",
        title="Every landed row is typed, rejected with a reason, or listed as a repeat",
        severity="error",
        suite="landing",
        facts="""
            select
                (
                    select rows from measure_relations
                    where relation = 'staging.kite_instruments'
                ) as evaluated,
                (
                    select rows from measure_relations where relation = 'broker_instruments'
                ) as typed,
                (
                    select count(*)
                    from (
                        select line_number from {candidate}.rejected_rows
                        where feed = 'kite'
                        union
                        select line_number from {candidate}.repeated_rows
                        where feed = 'kite' and repeats = 'token'
                    ) as left_out
                ) as left_out
        """,
        unexpected="""
            select
                evaluated as landed, typed, left_out as rejected_or_repeated,
                evaluated - typed - left_out as unexplained
            from facts
            where evaluated <> typed + left_out
        """,
        observed="{evaluated:,} landed = {typed:,} typed + {left_out:,} rejected or repeated",
        limit="the two sides are equal",
        explanation="Rows vanished or were invented between the dump and the candidate: "
        "instruments may be missing without anyone having been told.",
        action="A defect of the models, not of the broker: do not accept; report it.",
    ),
    Rule(
        id="rejected-rows-few",
        title="Few rows of the dump are rejected",
        severity="error",
        suite="landing",
        facts=_REJECTED_FACTS,
        parameters={"only_focus": False, "max_ratio": Limit("rejected_max_ratio")},
        unexpected=_REJECTED_UNEXPECTED,
        observed="rejected rows: {rejected:,} of {landed:,} ({ratio:.3%})",
        limit="at most {rejected_max_ratio:.3%}",
        explanation="So many rows that do not type mean that the broker changed its format, or "
        "the file is damaged: what did type may be wrong as well.",
        action="Read the reasons below; if the format changed, the staging model must follow it.",
    ),
    Rule(
        id="rejected-focus-rows",
        title="No row of a focus underlying is rejected",
        severity="error",
        suite="landing",
        facts=_REJECTED_FACTS,
        parameters={"only_focus": True, "max_ratio": 0},
        unexpected=_REJECTED_UNEXPECTED,
        observed="rejected rows: {rejected:,} of {landed:,} in all",
        limit="none of a focus underlying",
        explanation="A contract of NIFTY, BANKNIFTY or SENSEX would be missing from what trades.",
        action="Correct the row in a copy of the dump and sync that file, or wait for a new dump.",
    ),
    Rule(
        id="rejected-rows-none",
        title="No row of the dump is rejected",
        severity="warning",
        suite="landing",
        facts=_REJECTED_FACTS,
        parameters={"only_focus": False, "max_ratio": 0},
        unexpected=_REJECTED_UNEXPECTED,
        observed="rejected rows: {rejected:,} of {landed:,} ({ratio:.3%})",
        limit="none",
        explanation="These instruments are not published: nothing can trade or stream them.",
        action="Look whether anyone needs them; they are in rejected_rows with file line.",
    ),
    Rule(
        id="token-unique-focus",
        title="No token of a focus underlying stands for two rows",
        severity="error",
        suite="landing",
        parameters={"kind": "token", "is_focus": True},
        facts=_REPEATS_FACTS,
        unexpected=_REPEATS_UNEXPECTED,
        observed="repeated tokens: {repeated:,} among {evaluated:,} rows",
        limit="none of a focus underlying",
        explanation="Ingestion subscribes by token: one of the two contracts would be streamed "
        "and traded under the other's name.",
        action="Compare the two rows below with the exchange's list; wait for a corrected dump.",
    ),
    Rule(
        id="token-unique",
        title="Each token stands for one row of the dump",
        severity="warning",
        suite="landing",
        parameters={"kind": "token", "is_focus": False},
        facts=_REPEATS_FACTS,
        unexpected=_REPEATS_UNEXPECTED,
        observed="repeated tokens outside the focus set: {repeated:,} among {evaluated:,} rows",
        limit="none",
        explanation="One row of each token was kept by a stated rule; the others are listed in "
        "repeated_rows and are not published.",
        action="Usually nothing: old dumps repeat index tokens. Look at shares among them.",
    ),
    Rule(
        id="symbol-unique-focus",
        title="No symbol of a focus underlying stands for two tokens",
        severity="error",
        suite="landing",
        parameters={"kind": "symbol", "is_focus": True},
        facts=_REPEATS_FACTS,
        unexpected=_REPEATS_UNEXPECTED,
        observed="repeated symbols: {repeated:,} among {evaluated:,} rows",
        limit="none of a focus underlying",
        explanation="An order placed by symbol could meet another contract than the one that "
        "is streamed.",
        action="Compare the rows below with the exchange's list; wait for a corrected dump.",
    ),
    Rule(
        id="symbol-unique",
        title="Each symbol of an exchange stands for one token",
        severity="warning",
        suite="landing",
        parameters={"kind": "symbol", "is_focus": False},
        facts=_REPEATS_FACTS,
        unexpected=_REPEATS_UNEXPECTED,
        observed="repeated symbols outside the focus set: {repeated:,} among {evaluated:,} rows",
        limit="none",
        explanation="Both tokens are published; a lookup by symbol finds the first.",
        action="Usually nothing: some dumps repeat a few symbols.",
    ),
)
