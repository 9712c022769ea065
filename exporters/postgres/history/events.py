"""Tell what happened: typed events, from the versions that a publication ended and began."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql

from exporters.postgres.catalog import read_relations
from exporters.postgres.history import touched
from exporters.postgres.history.shape import Versioned
from exporters.postgres.ledger import Facts
from exporters.postgres.request import ACTIVE_SUBSCRIPTIONS, PUBLISHED_SCHEMA
from exporters.postgres.session import Cursor

COLUMNS = (
    "as_of_date", "instrument_id", "event", "broker", "broker_token", "canonical_id", "old_value",
    "new_value", "is_active",
)  # fmt: skip

# The series between which an exchange moves a share as a whole; the same as in the dbt macro
# share_without_series, which decides that the instrument is the same.
_SERIES = r"-(BE|BZ|SM|ST|SZ)$"

# A second publication of a day tells the day anew, for what it touches.
_SUPERSEDE = sql.SQL("""
update history.instrument_events as e set superseded_by = {publication}
where
    e.as_of_date = {as_of}
    and e.superseded_by is null
    and (
        e.instrument_id in (select instrument_id from history_instruments)
        or (e.broker, e.broker_token) in (select broker, broker_token from history_brokers)
    )
""")

_ACTIVE = sql.SQL("""
create temporary table history_active on commit drop as
{now}
union
select h.before ->> 'canonical_id' from history.publication_changes as h
where
    h.publication_id = {publication} and h.table_name = {table}
    and h.before ->> 'canonical_id' is not null
""")

_OF_INSTRUMENTS = sql.SQL("""
insert into history.instrument_events (
    publication_id, as_of_date, instrument_id, event, canonical_id, old_value, new_value,
    is_active, recorded_at
)
select
    {publication}, {as_of}, t.instrument_id, e.event, coalesce(t.new_id_text, t.old_id_text),
    e.old_value, e.new_value,
    coalesce(t.old_id_text in (select canonical_id from history_active), false)
    or coalesce(t.new_id_text in (select canonical_id from history_active), false),
    {published_at}
from (
    select
        h.instrument_id,
        h.has_new,
        h.has_before,
        h.day_before as was,
        h.new_row as now,
        case when h.has_before then (h.day_before).canonical_id end as old_id_text,
        case when h.has_new then (h.new_row).canonical_id end as new_id_text,
        exists (
            select from history.past_instrument_versions as p
            where p.instrument_id = h.instrument_id and p.superseded_by is null
        ) as is_known
    from history_sides as h
) as t
cross join lateral (
    values
    {rules}
) as e (event, is_so, old_value, new_value)
where
    e.is_so
    and (
        e.event <> 'listed'
        or t.new_id_text in (
            select (b.new_row).canonical_id from history_brokers as b
            where b.has_new and b.broker = any({known_brokers})
        )
    )
order by t.instrument_id, e.event
""")

_SIDES = sql.SQL("""
create temporary table {sides} on commit drop as
select
    t.*,
    case when t.base_from is not null then t.base_row else t.old_row end as day_before,
    case when t.base_from is not null then t.base_id else t.old_id end as id_before
from {touched} as t
where
    not t.is_base_again
    and not (t.has_new and t.has_before and t.is_same and t.old_from < {as_of})
""")

# Tokens of one broker for one instrument that went and came: paired in their order.
_OF_BROKERS = sql.SQL("""
insert into history.instrument_events (
    publication_id, as_of_date, instrument_id, event, broker, broker_token, canonical_id,
    old_value, new_value, is_active, recorded_at
)
with sides as (
    select
        b.broker, b.exchange, b.broker_token,
        b.has_before, b.has_new, b.day_before as was, b.new_row as now,
        case when b.has_before then b.id_before end as id_before,
        case when b.has_new then b.new_id end as id_now
    from history_broker_sides as b
),

went as (
    select s.*, row_number() over (
        partition by s.broker, s.id_before order by s.exchange, s.broker_token
    ) as place
    from sides as s where s.id_before is not null and s.id_before is distinct from s.id_now
),

came as (
    select s.*, row_number() over (
        partition by s.broker, s.id_now order by s.exchange, s.broker_token
    ) as place
    from sides as s where s.id_now is not null and s.id_now is distinct from s.id_before
),

followed as (
    select s.broker, s.broker_token, s.id_now, s.was, s.now, s.broker_token as old_token
    from sides as s where s.id_now is not null and s.id_now = s.id_before
    union all
    select c.broker, c.broker_token, c.id_now, w.was, c.now, w.broker_token
    from came as c
    inner join went as w
        on w.broker = c.broker and w.id_before = c.id_now and w.place = c.place
),

told as (
    select
        f.broker, f.broker_token, f.id_now as instrument_id, (f.now).canonical_id, e.event,
        e.old_value, e.new_value
    from followed as f
    cross join lateral (
        values
        ('token_moved', f.old_token <> f.broker_token, f.old_token, f.broker_token),
        {rules}
    ) as e (event, is_so, old_value, new_value)
    where e.is_so
    union all
    select
        c.broker, c.broker_token, c.id_now, (c.now).canonical_id, 'token_reused',
        p.canonical_id, (c.now).canonical_id
    from came as c
    cross join lateral (
        select p.instrument_id, p.canonical_id
        from {past} as p
        where
            p.broker_token = c.broker_token and p.broker = c.broker and p.exchange = c.exchange
            and p.superseded_by is null and p.instrument_id is not null
        order by p.valid_to desc
        limit 1
    ) as p
    where p.instrument_id <> c.id_now
)

select
    {publication}, {as_of}, t.instrument_id, t.event, t.broker, t.broker_token, t.canonical_id,
    t.old_value, t.new_value,
    t.canonical_id in (select canonical_id from history_active)
    or t.instrument_id in (
        select i.instrument_id from history_instruments as i
        inner join history_active as a on a.canonical_id = i.old_canonical_id
    ),
    {published_at}
from told as t
-- What the instrument itself did is not told again of the broker.
where not exists (
    select from history.instrument_events as e
    where
        e.instrument_id = t.instrument_id
        and e.publication_id = {publication}
        and e.broker is null
        and (
            (e.event, e.old_value, e.new_value)
            is not distinct from (t.event, t.old_value, t.new_value)
            or (e.event = 'series_changed' and t.event = 'renamed')
        )
)
order by t.instrument_id, t.event, t.broker, t.broker_token
""")


def record_events(
    cursor: Cursor,
    instruments: Versioned,
    brokers: Versioned,
    publication_id: int,
    facts: Facts,
    *,
    known_brokers: Sequence[str],
) -> None:
    """Write the events of the touched rows; `known_brokers` are those that were there before.

    What a broker that is read for the first time alone lists is no event: nothing happened to it.
    """
    parts = {
        "publication": sql.Literal(publication_id),
        "as_of": sql.Literal(facts.as_of_date),
        "published_at": sql.Literal(facts.published_at),
        "past": brokers.past,
        "known_brokers": sql.SQL("{}::text[]").format(sql.Literal(list(known_brokers))),
    }
    for sides, name in (
        ("history_sides", touched.INSTRUMENTS),
        ("history_broker_sides", touched.BROKERS),
    ):
        cursor.execute(
            _SIDES.format(
                sides=sql.Identifier(sides), touched=sql.Identifier(name), as_of=parts["as_of"]
            )
        )
    cursor.execute(_SUPERSEDE.format(**parts))
    _note_active(cursor, publication_id)
    told = _rules(_instrument_rules(instruments), parts["as_of"])
    cursor.execute(_OF_INSTRUMENTS.format(**parts, rules=told))
    told = _rules(_broker_rules(brokers), parts["as_of"])
    cursor.execute(_OF_BROKERS.format(**parts, rules=told))


def _note_active(cursor: Cursor, publication_id: int) -> None:
    published = read_relations(cursor, PUBLISHED_SCHEMA, [ACTIVE_SUBSCRIPTIONS])
    now = "select canonical_id from marts.active_subscriptions"
    cursor.execute(
        _ACTIVE.format(
            now=sql.SQL(now if published else "select null::text as canonical_id where false"),
            publication=sql.Literal(publication_id),
            table=sql.Literal(ACTIVE_SUBSCRIPTIONS),
        )
    )


def _rules(lines: Iterable[str], as_of: sql.Composable) -> sql.Composable:
    text = ",\n        ".join(lines)
    return sql.SQL(text).format(as_of=as_of)


def _instrument_rules(versioned: Versioned) -> list[str]:
    """(event, whether it is so, old value, new value), as SQL over `t`."""
    both = "t.has_before and t.has_new"
    was, now = "(t.was).canonical_id", "(t.now).canonical_id"
    expired = "false"
    if versioned.has("expiry_date"):
        expired = "coalesce((t.was).expiry_date < {as_of}, false)"
    is_series = (
        f"({both} and {was} <> {now} and regexp_replace({was}, '{_SERIES}', '')"
        f" = regexp_replace({now}, '{_SERIES}', ''))"
    )
    symbols = "(t.was).tradingsymbol, (t.now).tradingsymbol"
    lines = [
        (
            "('listed', not t.has_before and t.has_new and not t.is_known, null,"
            " (t.now).tradingsymbol)"
        ),
        "('relisted', not t.has_before and t.has_new and t.is_known, null, (t.now).tradingsymbol)",
        f"('expired', t.has_before and not t.has_new and {expired}, (t.was).tradingsymbol, null)",
        (
            f"('delisted', t.has_before and not t.has_new and not {expired},"
            " (t.was).tradingsymbol, null)"
        ),
        (
            f"('series_changed', {is_series}, coalesce(substring({was} from '{_SERIES}'), 'EQ'),"
            f" coalesce(substring({now} from '{_SERIES}'), 'EQ'))"
        ),
        (
            f"('renamed', {both} and not {is_series} and (t.was).tradingsymbol"
            f" <> (t.now).tradingsymbol, {symbols})"
        ),
    ]
    if versioned.has("name"):
        lines.append(
            f"('renamed', {both} and (t.was).tradingsymbol = (t.now).tradingsymbol"
            " and (t.was).name is distinct from (t.now).name, (t.was).name, (t.now).name)"
        )
    return lines + _term_rules(versioned, both, "t")


def _broker_rules(versioned: Versioned) -> list[str]:
    lines = [
        (
            "('renamed', (f.was).tradingsymbol <> (f.now).tradingsymbol, (f.was).tradingsymbol,"
            " (f.now).tradingsymbol)"
        )
    ]
    return lines + _term_rules(versioned, "true", "f")


def _term_rules(versioned: Versioned, condition: str, alias: str) -> list[str]:
    """A line for each term that is remembered and may be revised."""
    terms = {
        "strike": "strike_adjusted", "expiry_date": "expiry_revised", "lot_size": "lot_changed",
        "tick_size_inr": "tick_changed",
    }  # fmt: skip
    numbers = {"strike", "tick_size_inr"}
    lines = []
    for column, event in terms.items():
        if versioned.has(column):
            was, now = f"({alias}.was).{column}", f"({alias}.now).{column}"
            shown = ("trim_scale({})::text" if column in numbers else "{}::text").format
            lines.append(
                f"('{event}', {condition} and {was} is distinct from {now}, {shown(was)},"
                f" {shown(now)})"
            )
    return lines
