"""Reads what the report shows of the candidate: what changed, what it touches, rows by exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from expectations.audit import cell

SAMPLES: Final = 5
# So many changes of subscriptions are shown one by one; the rest is a query away.
TOUCHED_SHOWN: Final = 200
KITE: Final = "kite"
OF_KITE: Final = "instrument_changes"
OF_BROKERS: Final = "broker_instrument_changes"
CONTINUITY: Final = "instrument_continuity"


@dataclass(frozen=True, slots=True)
class Change:
    """How many instruments, or rows of a broker, changed in one way since the last publication.

    Attributes:
        change: listed, delisted, expired, symbol_changed, token_changed, strike_changed, ...
        count: instruments, or rows.
        active_count: those of them that ingestion streams.
        samples: the first of them, column to text; streamed ones first, and marked.
    """

    change: str
    count: int
    active_count: int = 0
    samples: tuple[Mapping[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The change as JSON values."""
        return asdict(self) | {"samples": [dict(sample) for sample in self.samples]}


@dataclass(frozen=True, slots=True)
class Touched:
    """What changed of instruments that ingestion streams, now or until now, at every broker.

    Attributes:
        count: all of it.
        rows: the first `TOUCHED_SHOWN`, column to text: what a program has to act on before what
            was listed or has expired, Kite's before the others'.
    """

    count: int = 0
    rows: tuple[Mapping[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The changes as JSON values."""
        return {"count": self.count, "rows": [dict(row) for row in self.rows]}


def read_changes(
    connection: psycopg.Connection, *, candidate_schema: str = "candidate"
) -> tuple[Change, ...]:
    """The changes that the candidate's `instrument_changes` holds, most frequent first.

    Empty where nothing is published yet, or where the candidate was not built.
    """
    relation = sql.Identifier(candidate_schema, OF_KITE)
    return (
        _changes(connection, relation, sql.SQL("true"))
        if relation_exists(connection, relation)
        else ()
    )


def read_broker_changes(
    connection: psycopg.Connection, broker: str, *, candidate_schema: str = "candidate"
) -> tuple[Change, ...]:
    """The same of another broker's rows; empty where no other broker was built."""
    relation = sql.Identifier(candidate_schema, OF_BROKERS)
    if not relation_exists(connection, relation):
        return ()
    of_broker = sql.SQL("broker = {}").format(sql.Literal(broker))
    return _changes(connection, relation, of_broker)


def read_touched(
    connection: psycopg.Connection,
    *,
    candidate_schema: str = "candidate",
    with_brokers: bool = True,
    limit: int = TOUCHED_SHOWN,
) -> Touched:
    """What changed of subscribed instruments; empty where the candidate was not built.

    Args:
        connection: to the database.
        candidate_schema: where it is.
        with_brokers: also at brokers beside Kite.
        limit: how many are shown.
    """
    names = [OF_KITE, *([OF_BROKERS] if with_brokers else [])]
    relations = {name: sql.Identifier(candidate_schema, name) for name in names}
    parts = [
        _TOUCHED[name].format(relation)
        for name, relation in relations.items()
        if relation_exists(connection, relation)
    ]
    if not parts:
        return Touched()
    continuity = sql.Identifier(candidate_schema, CONTINUITY)
    query = sql.SQL(_SHOWN).format(
        touched=sql.SQL(" union all ").join(parts),
        continuity=continuity if relation_exists(connection, continuity) else _NO_CONTINUITY,
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query, [limit]).fetchall()
    rows = tuple(
        {name: cell(value) for name, value in row.items() if name != "touched"} for row in found
    )
    return Touched(found[0]["touched"] if found else 0, rows)


_TOUCHED: Final = {
    OF_KITE: sql.SQL(
        "select 0 as place, 'kite' as broker, change, exchange, instrument_token::text as token, "
        "tradingsymbol, old_value, new_value, canonical_id from {} where is_active"
    ),
    OF_BROKERS: sql.SQL(
        "select 1 as place, broker, change, exchange, broker_token as token, tradingsymbol, "
        "old_value, new_value, canonical_id from {} where is_active"
    ),
}
_NO_CONTINUITY: Final = sql.SQL(
    "(select null::text as canonical_id, null::text as continued_canonical_id, "
    "null::text as basis where false)"
)
_SHOWN: Final = """
    with touched as ({touched})

    select
        touched.change, touched.broker, touched.exchange, touched.tradingsymbol, touched.token,
        touched.old_value, touched.new_value,
        case continuity.basis
            when 'series' then 'another series of ' || continuity.continued_canonical_id
            when 'token' then 'was ' || continuity.continued_canonical_id
            when 'relisted' then 'was listed before, and is back'
            when 'reused' then 'its id named something else until now'
        end as besides,
        count(*) over () as touched
    from touched
    -- many changes to one instrument, or none
    left join {continuity} as continuity on touched.canonical_id = continuity.canonical_id
    order by
        touched.change in ('listed', 'expired'), touched.place, touched.change, touched.broker,
        touched.exchange, touched.tradingsymbol, touched.token
    limit %s
"""


def _changes(
    connection: psycopg.Connection, relation: sql.Identifier, which: sql.Composable
) -> tuple[Change, ...]:
    counts = connection.execute(
        sql.SQL(
            "select change, count(*), count(*) filter (where is_active) "
            "from {} where {} group by change order by 2 desc, 1"
        ).format(relation, which)
    ).fetchall()
    return tuple(
        Change(change, count, active, _samples(connection, relation, which, change))
        for change, count, active in counts
    )


def _samples(
    connection: psycopg.Connection, relation: sql.Identifier, which: sql.Composable, change: str
) -> tuple[dict[str, str], ...]:
    cursor = connection.execute(
        sql.SQL(
            "select tradingsymbol, exchange, old_value, new_value, "
            "case when is_active then 'yes' end as subscribed "
            "from {} where {} and change = %s "
            "order by is_active desc, canonical_id, tradingsymbol limit %s"
        ).format(relation, which),
        (change, SAMPLES),
    )
    names = [column.name for column in cursor.description or ()]
    return tuple(
        {name: cell(value) for name, value in zip(names, row, strict=True)} for row in cursor
    )


def read_rows(connection: psycopg.Connection, schema: str) -> dict[str, int]:
    """Kite's instruments by exchange, candidate or published; empty without either."""
    relation = sql.Identifier(schema, "broker_instruments")
    if not relation_exists(connection, relation):
        return {}
    counts = connection.execute(
        sql.SQL(
            "select exchange, count(*) from {} where broker = 'kite' "
            "group by exchange order by 2 desc, 1"
        ).format(relation)
    )
    return {str(exchange): int(rows) for exchange, rows in counts}


def relation_exists(connection: psycopg.Connection, relation: sql.Identifier) -> bool:
    """Whether there is a table or view of that name."""
    found = connection.execute(
        "select to_regclass(%s) is not null", (relation.as_string(connection),)
    ).fetchone()
    return bool(found and found[0])
