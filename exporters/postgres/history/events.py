"""Tell what happened: typed events, from the versions that a publication ended and began."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql

from exporters.postgres.catalog import read_relations
from exporters.postgres.history import event_statements, touched
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
            event_statements.SIDES.format(
                sides=sql.Identifier(sides), touched=sql.Identifier(name), as_of=parts["as_of"]
            )
        )
    cursor.execute(event_statements.SUPERSEDE.format(**parts))
    _note_active(cursor, publication_id)
    told = _rules(_instrument_rules(instruments), parts["as_of"])
    cursor.execute(event_statements.OF_INSTRUMENTS.format(**parts, rules=told))
    told = _rules(_broker_rules(brokers), parts["as_of"])
    cursor.execute(event_statements.OF_BROKERS.format(**parts, rules=told))


def _note_active(cursor: Cursor, publication_id: int) -> None:
    published = read_relations(cursor, PUBLISHED_SCHEMA, [ACTIVE_SUBSCRIPTIONS])
    now = "select canonical_id from marts.active_subscriptions"
    cursor.execute(
        event_statements.ACTIVE.format(
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
