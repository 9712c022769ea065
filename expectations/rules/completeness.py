"""Is everything there that a trading day needs?"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from expectations.rules.rule import (
    Limit,
    Rule,
    Situation,
    Stock,
    after_live_rows,
    after_many_rows,
)

# Larger than any ratio.
NO_LIMIT: Final = 1_000_000_000
_KITE: Final = sql.SQL("broker = 'kite'")

# Rows by exchange against the last publication; `of_brokers` says whose.
COMPARED_FACTS = """
    select
        count(*) as evaluated,
        (array_agg(place order by ratio))[1] as lowest,
        min(ratio) as ratio,
        (array_agg(place order by ratio desc))[1] as highest,
        max(ratio) as highest_ratio
    from measure_exchanges
    where {of_brokers} and rows_before >= {min_rows} and rows_before > 0
"""
COMPARED_UNEXPECTED = """
    select
        place as exchange,
        rows_now,
        rows_before as rows_before_net_of_expired,
        rows_expired as expired_since,
        round(100 * ratio, 1) || ' %' as remaining
    from measure_exchanges
    where
        {of_brokers}
        and rows_before >= {min_rows}
        and rows_before > 0
        and (ratio < {at_least} or ratio > {at_most})
    order by ratio, place
"""


def _some_segment(situation: Situation) -> str | None:
    """Whether the settings, or the last publication, ask for a segment."""
    if situation.thresholds.asked_segments or after_many_rows(situation) is None:
        return None
    return "the settings require no segment, and the last publication had none with enough rows"


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="candidate-not-empty",
        title="The candidate holds instruments",
        severity="error",
        suite="completeness",
        stock=Stock("row_count"),
        observed="{observed:,} instruments",
        limit="at least 1 row",
        explanation="Publishing this would delete every instrument everywhere.",
        action="Build again; look at the build's log.",
    ),
    Rule(
        id="exchange-rows-collapsed",
        title="No exchange lost a large part of its instruments",
        severity="error",
        suite="completeness",
        applies=after_many_rows,
        facts=COMPARED_FACTS,
        parameters={
            "min_rows": Limit("rows_compared_min"),
            "at_least": Limit("rows_block_ratio"),
            "at_most": NO_LIMIT,
            "of_brokers": _KITE,
        },
        unexpected=COMPARED_UNEXPECTED,
        observed="lowest is {lowest} with {ratio:.1%} of its live contracts of last time, "
        "of {evaluated} exchanges",
        limit="at least {rows_block_ratio:.0%} (contracts that expired since are not counted)",
        explanation="The dump is cut short for this exchange: its instruments would vanish from "
        "every consumer in the middle of a trading morning.",
        action="Fetch the dump again in a few minutes; accept only if the exchange announced it.",
    ),
    Rule(
        id="exchange-rows-low",
        title="Every exchange kept nearly all its instruments",
        severity="warning",
        suite="completeness",
        applies=after_live_rows,
        facts=COMPARED_FACTS,
        parameters={
            "min_rows": 1,
            "at_least": Limit("rows_warn_ratio"),
            "at_most": NO_LIMIT,
            "of_brokers": _KITE,
        },
        unexpected=COMPARED_UNEXPECTED,
        observed="lowest is {lowest} with {ratio:.1%} of its live contracts of last time, "
        "of {evaluated} exchanges",
        limit="at least {rows_warn_ratio:.0%} (contracts that expired since are not counted)",
        explanation="More contracts left this exchange than expiries explain.",
        action="Look at what was delisted (instrument_changes); often a cleared strike range.",
    ),
    Rule(
        id="exchange-rows-grown",
        title="No exchange grew by an implausible amount",
        severity="warning",
        suite="completeness",
        applies=after_many_rows,
        facts=COMPARED_FACTS,
        parameters={
            "min_rows": Limit("rows_compared_min"),
            "at_least": 0,
            "at_most": Limit("rows_growth_ratio"),
            "of_brokers": _KITE,
        },
        unexpected=COMPARED_UNEXPECTED,
        observed="highest is {highest} with {highest_ratio:.1%} of last time",
        limit="at most {rows_growth_ratio:.0%}",
        explanation="The dump may hold rows twice, or the last publication was of a part of it.",
        action="Compare with the rules on repeated tokens; a first full dump after a part is fine.",
    ),
    Rule(
        id="required-exchanges",
        title="Every required exchange is in the dump",
        severity="error",
        suite="completeness",
        applies=lambda situation: (
            None if situation.thresholds.required_exchanges else "the settings require no exchange"
        ),
        stock=Stock(
            "contains",
            column="exchange",
            values=lambda thresholds: thresholds.required_exchanges,
        ),
        observed="the dump holds {observed}",
        limit="{required_exchanges}",
        explanation="The dump lacks a whole exchange: everything on it would stop.",
        action="Fetch again later. For a file that holds a part on purpose, set the required "
        "exchanges in the settings.",
    ),
    Rule(
        id="exchanges-of-last-publication",
        title="Every exchange of the last publication is in the dump",
        severity="error",
        suite="completeness",
        applies=after_many_rows,
        facts="""
            select
                count(*) as evaluated,
                array_agg(exchange order by exchange) filter (where rows_in_dump > 0) as kept
            from measure_exchanges
            where broker = 'kite' and rows_before >= {rows_compared_min} and rows_before > 0
        """,
        unexpected="""
            select exchange, rows_before as rows_last_time
            from measure_exchanges
            where
                broker = 'kite'
                and rows_before >= {rows_compared_min}
                and rows_before > 0
                and rows_in_dump = 0
            order by exchange
        """,
        observed="the dump still holds {kept}",
        limit="all with {rows_compared_min} live rows or more last time",
        explanation="The dump lacks a whole exchange: everything on it would stop.",
        action="Fetch again later; accept only if the exchange is given up on purpose.",
    ),
    Rule(
        id="required-segments",
        title="Every required segment is in the dump",
        severity="error",
        suite="completeness",
        applies=_some_segment,
        facts="""
            select
                cardinality({asked_segments}::text[])
                + (
                    select count(distinct segment)
                    from measure_segments
                    where
                        {has_publication}
                        and rows_before >= {rows_compared_min}
                        and rows_before > 0
                ) as evaluated,
                (
                    select array_agg(distinct segment order by segment)
                    from measure_segments
                    where rows_in_dump > 0
                ) as present
        """,
        unexpected="""
            select required.segment as missing_segment
            from unnest({asked_segments}::text[]) as required (segment)
            where not exists (
                select 1
                from measure_segments
                where segment = required.segment and rows_in_dump > 0
            )
            union
            select segment as missing_segment
            from measure_segments
            where
                {has_publication}
                and rows_before >= {rows_compared_min}
                and rows_before > 0
            group by segment
            having sum(rows_in_dump) = 0
            order by missing_segment
        """,
        observed="the dump holds {present}",
        limit="{required_segments} (where their exchange is required), and those of last time",
        explanation="A whole kind of contract is missing, for example all options of an exchange.",
        action="Fetch again later; accept only if the segment is given up on purpose.",
    ),
)
