"""What a rule is: a measurement in SQL, a limit, and words for the person who reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from string import Formatter
from typing import Any, Final, Literal

from expectations.audit import Severity
from expectations.thresholds import Thresholds

SuiteName = Literal["landing", "completeness", "calendar", "values", "change", "consumers", "feeds"]
# Each suite with its batch: what it is about. That of an expectation which names a column is read
# whole by Great Expectations, so that it knows its columns: no more of them than are asked.
SUITES: Final[dict[SuiteName, str]] = {
    "landing": "select * from {staging}.kite_instruments",
    "completeness": "select exchange from {candidate}.broker_instruments where broker = 'kite'",
    "calendar": "select * from {candidate}.broker_instruments where broker = 'kite'",
    "values": "select * from {candidate}.broker_instruments where broker = 'kite'",
    "change": "select * from {candidate}.instrument_changes",
    "consumers": "select * from {candidate}.exp_redis__instruments",
    "feeds": "select * from {candidate}.broker_instruments where broker <> 'kite'",
}


@dataclass(frozen=True, slots=True)
class Before:
    """What an exchange had in the last publication and has not expired since.

    Attributes:
        rows: live rows.
        decimal_strikes: those of them with a strike that is not whole.
        focus_contracts: those of them that are contracts of a focus underlying.
    """

    rows: int
    decimal_strikes: int = 0
    focus_contracts: int = 0


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides whether a rule applies.

    Attributes:
        has_publication: whether something is published to compare with.
        exchanges: the exchanges that the candidate holds.
        filter: the subscription filter as typed.
        thresholds: the limits.
        before: what is live of the last publication, by exchange.
        has_published_subscriptions: whether the last publication has a table of them.
        is_anything_subscribed: whether anything is subscribed, now or in the last publication.
        has_ledgers: whether the database holds the ledgers of loads and publications.
        has_options: whether options landed.
        has_contracts: whether anything landed that has an expiry.
        has_build_feeds: whether the database says which feeds the build has.
        other_feeds: the brokers beside Kite, in order: the build's feeds, and whoever else has
            rows in the candidate.
        landed_feeds: those of them of which a dump has landed.
        fresh_feeds: those of them that are built from a dump of the day, no older one.
        is_kite_stale: whether Kite's own dump is an older one that stands in.
        published_feeds: the brokers beside Kite with live rows in the last publication.
        rows_before_of_feeds: for each of them that has any, the live rows of each of its
            exchanges in the last publication.
    """

    has_publication: bool
    exchanges: frozenset[str]
    filter: str
    thresholds: Thresholds
    before: Mapping[str, Before] = field(default_factory=dict)
    has_published_subscriptions: bool = False
    is_anything_subscribed: bool = False
    has_ledgers: bool = False
    has_options: bool = False
    has_contracts: bool = False
    has_build_feeds: bool = False
    other_feeds: tuple[str, ...] = ()
    landed_feeds: tuple[str, ...] = ()
    fresh_feeds: tuple[str, ...] = ()
    is_kite_stale: bool = False
    published_feeds: tuple[str, ...] = ()
    rows_before_of_feeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def compared_feeds(self) -> tuple[str, ...]:
        """The brokers beside Kite that can have changed: published, with a new dump."""
        return tuple(feed for feed in self.fresh_feeds if feed in self.published_feeds)

    @property
    def left_feeds(self) -> tuple[str, ...]:
        """The brokers of the last publication that are no feeds of this build."""
        return tuple(feed for feed in self.published_feeds if feed not in self.other_feeds)


Applies = Callable[[Situation], str | None]
"""Gives the reason why a rule has nothing to judge, or None where it applies."""


def always(_: Situation) -> str | None:
    """The rule applies to every candidate."""
    return None


def after_first_publication(situation: Situation) -> str | None:
    """The rule compares with the last publication."""
    if situation.has_publication:
        return None
    return "nothing is published yet: there is no last publication to compare with"


def _compared(is_enough: Callable[[Before, int], bool], nothing: str) -> Applies:
    """The rule compares with exchanges of the last publication that have enough to compare."""

    def applies(situation: Situation) -> str | None:
        least = situation.thresholds.rows_compared_min
        if any(is_enough(each, least) for each in situation.before.values()):
            return None
        return after_first_publication(situation) or nothing.format(least=least)

    return applies


after_live_rows = _compared(
    lambda before, _: before.rows > 0,
    "every contract of the last publication has expired: there is none to compare with",
)
after_many_rows = _compared(
    lambda before, least: before.rows >= max(least, 1),
    "no exchange had {least} live rows or more in the last publication: too few to compare",
)
after_decimal_strikes = _compared(
    lambda before, least: before.decimal_strikes >= max(least, 1),
    "no exchange had {least} live decimal strikes or more in the last publication",
)
after_focus_contracts = _compared(
    lambda before, _: before.focus_contracts > 0,
    "no contract of a focus underlying in the last publication is live",
)


def after_subscriptions(situation: Situation) -> str | None:
    """The rule is about what is subscribed, now or in the last publication."""
    if situation.is_anything_subscribed:
        return after_first_publication(situation)
    return "nothing is subscribed, and nothing was in the last publication"


def after_ledgered_publication(situation: Situation) -> str | None:
    """The rule compares with the dumps that the ledger of publications names."""
    if situation.has_ledgers:
        return after_first_publication(situation)
    return "the database holds no ledger of loads and publications"


def on_options(situation: Situation) -> str | None:
    """The rule is about options, which landed or which the settings require."""
    required = situation.thresholds.asked_segments
    if situation.has_options or any(segment.endswith("-OPT") for segment in required):
        return None
    return "the dump holds no options and the settings do not require them"


def on_contracts(situation: Situation) -> str | None:
    """The rule is about expiries, which landed or which the settings require."""
    required = situation.thresholds.asked_segments
    if situation.has_contracts or any("-" in segment for segment in required):
        return None
    return "the dump holds nothing that expires and the settings do not require it"


def unless_all(situation: Situation) -> str | None:
    """The rule is about a filter that chooses subscriptions."""
    if situation.filter.strip().lower() != "all":
        return None
    return "filter all chooses no subscriptions: the current ones stay as they are"


def on_exchange(*exchanges: str) -> Applies:
    """The rule is about exchanges of which one is required or present."""

    def applies(situation: Situation) -> str | None:
        asked = situation.exchanges | set(situation.thresholds.required_exchanges)
        if asked.isdisjoint(exchanges):
            names = " or ".join(exchanges)
            return f"the dump holds no {names} and the settings do not require it"
        return None

    return applies


@dataclass(frozen=True, slots=True)
class Stock:
    """An expectation that Great Expectations ships, on the relation of the rule's suite.

    Attributes:
        kind: `row_count` (at least one row) or `contains` (a column holds every value of a set).
        column: the column, for `contains`.
        values: the set, from the limits, for `contains`.
    """

    kind: Literal["row_count", "contains"]
    column: str = ""
    values: Callable[[Thresholds], tuple[str, ...]] = field(default=lambda _: ())


@dataclass(frozen=True, slots=True)
class Limit:
    """A field of `Thresholds` by its name, as a parameter of a rule's queries."""

    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise about the candidate.

    Attributes:
        id: kebab-case, stable for ever.
        title: the promise in plain words.
        severity: an `error` turns the gate red, a `warning` is told.
        suite: the Great Expectations suite that it belongs to.
        facts: a query of one row: what was measured. Its `evaluated` counts the rows or items
            that the rule looked at; 0 means that nothing was checked, which is never a pass.
        unexpected: a query of the rows or items that break the rule; none is a pass.
        observed: the measurement as a format string over the facts.
        limit: the limit as a format string over the thresholds.
        explanation: what a breach means to a trader.
        action: what an operator can do about it.
        applies: why the rule may have nothing to judge.
        parameters: what the queries' own placeholders stand for: a `Limit`, an identifier, or
            a value that goes in as a literal. The shared ones are in `rules.query.placeholders`.
        stock: an expectation that is not a query (then `facts` and `unexpected` are empty).
        refuses_dumps: whether a breach is the fault of the dumps of the brokers that its
            unexpected rows name (`broker` or `feed`), so that those of last time mend it.
    """

    id: str
    title: str
    severity: Severity
    suite: SuiteName
    observed: str
    limit: str
    explanation: str
    action: str
    facts: str = ""
    unexpected: str = ""
    applies: Applies = always
    parameters: Mapping[str, object] = field(default_factory=dict)
    stock: Stock | None = None
    refuses_dumps: bool = False

    def limit_text(self, thresholds: Thresholds) -> str:
        """The limit in words."""
        return Facts().vformat(self.limit, (), asdict(thresholds))

    def observed_text(self, facts: Mapping[str, Any]) -> str:
        """The measurement in words."""
        return Facts().vformat(self.observed, (), facts)


class Facts(Formatter):
    """`str.format` where an absent value reads `none` and a list reads `a, b, c`."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """One value; a number's format does not apply to what is not a number."""
        if value is None:
            return "none"
        if isinstance(value, list | tuple):
            return ", ".join(str(item) for item in value) or "none"
        if isinstance(value, str):
            return value
        return str(super().format_field(value, format_spec))
