"""Tell what happened: typed events, from the versions that a publication ended and began."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from exporters.postgres.catalog import read_relations
from exporters.postgres.history import event_statements, touched
from exporters.postgres.history.versioned import Versioned
from exporters.postgres.ledger import Facts
from exporters.postgres.request import ACTIVE_SUBSCRIPTIONS, PUBLISHED_SCHEMA
from exporters.postgres.session import Cursor

COLUMNS = (
    "as_of_date", "instrument_id", "event", "broker", "broker_token", "canonical_id", "old_value",
    "new_value", "is_active",
)  # fmt: skip

# The series between which an exchange moves a share as a whole; the same as in the dbt macro
# share_without_series, which decides that the instrument is the same (a test compares the two).
SERIES = r"-(BE|BZ|SM|ST|SZ)$"


@dataclass(frozen=True, slots=True)
class BrokersRead:
    """The brokers that were read for the day before, and for this publication.

    What a broker alone lists that was not read before, or is not read now, is no event: it is the
    warehouse that changed, not the market.
    """

    before: tuple[str, ...]
    now: tuple[str, ...]


def record_events(
    cursor: Cursor,
    instruments: Versioned,
    brokers: Versioned,
    publication_id: int,
    facts: Facts,
    *,
    read: BrokersRead,
) -> None:
    """Write the events of the touched rows."""
    parts = {
        "publication": sql.Literal(publication_id),
        "as_of": sql.Literal(facts.as_of_date),
        "published_at": sql.Literal(facts.published_at),
        "past": brokers.past,
        "brokers_before": _texts(read.before),
        "brokers_now": _texts(read.now),
        "old_share": sql.SQL(_share("(b.day_before).canonical_id")),
        "new_share": sql.SQL(_share("(b.new_row).canonical_id")),
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
    cursor.execute(event_statements.CHANGES.format(**parts))
    cursor.execute("create index on history_broker_changes (instrument_id)")
    cursor.execute("analyze history_broker_changes")
    told = _rules(_instrument_rules(instruments), parts["as_of"])
    cursor.execute(event_statements.OF_INSTRUMENTS.format(**parts, rules=told))
    told = _rules(_broker_rules(brokers), parts["as_of"])
    cursor.execute(event_statements.OF_BROKERS.format(**parts, rules=told))


def _texts(values: Sequence[str]) -> sql.Composed:
    return sql.SQL("{}::text[]").format(sql.Literal(list(values)))


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
    spelled = f"{both} and {_same_reference(versioned)}"
    is_series = f"({both} and {_is_series('t')})"
    symbols = "(t.was).tradingsymbol, (t.now).tradingsymbol"
    lines = [
        (
            "('listed', not t.has_before and t.has_new and not t.is_known, null,"
            " (t.now).tradingsymbol)"
        ),
        "('relisted', not t.has_before and t.has_new and t.is_known, null, (t.now).tradingsymbol)",
        *_departures(versioned, "t.has_before and not t.has_new", "t"),
        f"('series_changed', {is_series}, {_series('t')})",
        (
            f"('renamed', {spelled} and not {is_series} and (t.was).tradingsymbol"
            f" <> (t.now).tradingsymbol, {symbols})"
        ),
    ]
    if versioned.has("name"):
        lines.append(
            f"('renamed', {spelled} and (t.was).tradingsymbol = (t.now).tradingsymbol"
            " and (t.was).name is distinct from (t.now).name, (t.was).name, (t.now).name)"
        )
    return lines + _term_rules(versioned, both, spelled, "t")


def _same_reference(versioned: Versioned) -> str:
    """Whether the same broker spells and sizes it: what another one says is no change."""
    if not versioned.has("reference_broker"):
        return "true"
    return "(t.was).reference_broker is not distinct from (t.now).reference_broker"


def _broker_rules(versioned: Versioned) -> list[str]:
    """The same over `c`, a row of `history_broker_changes`."""
    both = "c.change in ('followed', 'series')"
    is_series = f"({both} and {_is_series('c')})"
    lines = [
        (f"('token_moved', {both} and c.old_token <> c.broker_token, c.old_token, c.broker_token)"),
        "('listed', c.change = 'came' and not c.is_known, null, (c.now).tradingsymbol)",
        "('relisted', c.change = 'came' and c.is_known, null, (c.now).tradingsymbol)",
        *_departures(versioned, "c.change = 'went'", "c"),
        f"('series_changed', {is_series}, {_series('c')})",
        (
            f"('renamed', {both} and not {is_series} and (c.was).tradingsymbol"
            " <> (c.now).tradingsymbol, (c.was).tradingsymbol, (c.now).tradingsymbol)"
        ),
    ]
    return lines + _term_rules(versioned, both, both, "c")


def _departures(versioned: Versioned, is_gone: str, alias: str) -> list[str]:
    """What left has expired, or was delisted before its day."""
    expired = "false"
    if versioned.has("expiry_date"):
        expired = f"coalesce(({alias}.was).expiry_date < {{as_of}}, false)"
    symbol = f"({alias}.was).tradingsymbol"
    return [
        f"('expired', {is_gone} and {expired}, {symbol}, null)",
        f"('delisted', {is_gone} and not {expired}, {symbol}, null)",
    ]


def _is_series(alias: str) -> str:
    """Whether it is one share in two series."""
    was, now = f"({alias}.was).canonical_id", f"({alias}.now).canonical_id"
    return f"{was} <> {now} and {_share(was)} = {_share(now)}"


def _share(canonical_id: str) -> str:
    return f"regexp_replace({canonical_id}, '{SERIES}', '')"


def _series(alias: str) -> str:
    return ", ".join(
        f"coalesce(substring(({alias}.{side}).canonical_id from '{SERIES}'), 'EQ')"
        for side in ("was", "now")
    )


def _term_rules(versioned: Versioned, always: str, spelled: str, alias: str) -> list[str]:
    """A line for each term that is remembered and may be revised.

    Strike and expiry are in the canonical id, whoever spells it; lot and tick are a broker's word.
    """
    terms = {
        "strike": ("strike_adjusted", always), "expiry_date": ("expiry_revised", always),
        "lot_size": ("lot_changed", spelled), "tick_size_inr": ("tick_changed", spelled),
    }  # fmt: skip
    numbers = {"strike", "tick_size_inr"}
    lines = []
    for column, (event, condition) in terms.items():
        if versioned.has(column):
            was, now = f"({alias}.was).{column}", f"({alias}.now).{column}"
            shown = ("trim_scale({})::text" if column in numbers else "{}::text").format
            lines.append(
                f"('{event}', {condition} and {was} is distinct from {now}, {shown(was)},"
                f" {shown(now)})"
            )
    return lines
