"""Every published row asked for under every name that it has, and what the answers come to.

What an answer may be is judged by the rows alone: nothing here asks the registry's own code why it
answered as it did.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from instrument_registry.broker_names import public_name
from instrument_registry.errors import AmbiguousSymbolError
from instrument_registry.lookups.explanation import Explanation
from instrument_registry.records import BrokerInstrument, BrokerRow
from instrument_registry.registry import Registry

_WRONG_SHOWN = 20
_CASH = ("NSE", "BSE", "INDEX")
_CONTRACT = ("exchange", "underlying", "expiry", "strike or FUT")


@dataclass(slots=True)
class Swept:
    """What came of a sweep.

    Attributes:
        counts: answers by broker, by how was asked, and by what came.
        wrong: answers that nothing explains, the first of them in words.
        unexplained: how many those are.
    """

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unexplained: int = 0

    def blame(self, *told: object) -> None:
        """Keep what is wrong."""
        self.unexplained += 1
        if len(self.wrong) < _WRONG_SHOWN:
            self.wrong.append(" | ".join(map(str, told)))

    def of(self, broker: str, asked: str) -> dict[str, int]:
        """What came of one way to ask a broker."""
        return {key[-1]: rows for key, rows in self.counts.items() if key[:2] == (broker, asked)}


class Published:
    """The rows of a publication, by what they are called.

    Attributes:
        known: the rows of a known instrument.
        lost: those in conflict, which are nobody's instrument.
        brokers: public names, in the order of their rows.
    """

    def __init__(self, rows: Iterable[BrokerRow]) -> None:
        every = [row._replace(broker=public_name(row.broker)) for row in rows]
        self.known = [row for row in every if row.canonical_id]
        self.lost = [row for row in every if not row.canonical_id]
        self.brokers = tuple(dict.fromkeys(row.broker for row in every))
        self._spelled: dict[tuple[str, str], list[BrokerRow]] = defaultdict(list)
        self._listed: Counter[tuple[str, str]] = Counter()
        self._ids: set[str] = set()
        self._in_series: set[str] = set()
        for row in every:
            self._spelled[row.broker, row.tradingsymbol].append(row)
        for row in self.known:
            self._listed[row.broker, str(row.canonical_id)] += 1
            self._ids.add(str(row.canonical_id))
            if row.exchange == "NSE" and str(row.canonical_id)[-3:-2] == "-":
                self._in_series.add(str(row.canonical_id)[4:-3])

    def registry(self) -> Registry:
        """A registry of these rows."""
        return Registry.of_rows([*self.known, *self.lost])

    def spelled(self, broker: str, text: str) -> list[BrokerRow]:
        """A broker's rows of that symbol, at the exchange if the text names one."""
        exchange, _, symbol = text.rpartition(":")
        rows = self._spelled.get((broker, symbol), [])
        return [row for row in rows if not exchange or row.exchange == exchange]

    def times_listed(self, broker: str, identity: str) -> int:
        """How many of a broker's rows are that instrument."""
        return self._listed[broker, identity]

    def is_id(self, text: str) -> bool:
        """Whether some broker lists an instrument of that canonical id."""
        return text in self._ids

    def elsewhere_in_cash(self, text: str, row: BrokerRow) -> bool:
        """Whether a bare symbol of the cash market is another instrument's name as well."""
        if row.expiry_date is not None or ":" in text:
            return False
        ids = (f"{market}:{text}" for market in _CASH)
        return text in self._in_series or any(
            one in self._ids and one != row.canonical_id for one in ids
        )


def is_itself(found: BrokerInstrument | None, row: BrokerRow) -> bool:
    """Whether the answer is that very row."""
    return found is not None and (
        found["unified_id"], found["symboltoken"], found["exchange"], found["tradingsymbol"]
    ) == (row.canonical_id, row.broker_token, row.exchange, row.tradingsymbol)  # fmt: skip


def _another(text: str, row: BrokerRow, found: str) -> str | None:
    """Why a text of one row may name another instrument; None if it may not."""
    if found == text:
        return "it is another's canonical id"
    is_cash = row.expiry_date is None
    if is_cash and found == f"NSE:{text}":
        return "a bare share is NSE's"
    return None


def sweep_own(published: Published, registry: Registry) -> Swept:
    """Each row under its own spelling, with its exchange, by canonical id and by token."""
    swept = Swept()
    for row in published.known:
        for asked, text in (
            ("symbol", row.tradingsymbol),
            ("exchange:symbol", f"{row.exchange}:{row.tradingsymbol}"),
            ("canonical id", str(row.canonical_id)),
        ):
            answer = _own_answer(published, registry, row, text)
            swept.counts[row.broker, asked, answer] += 1
            if answer.startswith("WRONG"):
                swept.blame(row.broker, asked, text, row.canonical_id, answer)
        for asked, segment in (
            ("token", None), ("token, exchange", row.exchange), ("token, segment", row.segment),
        ):  # fmt: skip
            answer = _token_answer(registry, row, segment)
            swept.counts[row.broker, asked, answer] += 1
            if answer.startswith("WRONG"):
                swept.blame(row.broker, asked, row.broker_token, row.canonical_id, answer)
    return swept


def _own_answer(published: Published, registry: Registry, row: BrokerRow, text: str) -> str:
    found = registry.resolve_for_broker(text, row.broker)
    if is_itself(found, row):
        return "itself"
    if found is not None:
        return _another(text, row, found["unified_id"]) or f"WRONG: {found}"
    return _refusal(published, row, text, registry.explain(text, row.broker))


def _refusal(published: Published, row: BrokerRow, text: str, told: Explanation) -> str:
    if told.verdict == "ambiguous":
        if not any(one.endswith(f" = {row.canonical_id}") for one in told.candidates):
            return f"WRONG: ambiguous without it, {told.candidates}"
        if len(published.spelled(row.broker, text)) > 1:
            return "repeated"
        if published.times_listed(row.broker, text) > 1:
            return "listed twice"
        if published.elsewhere_in_cash(text, row):
            return "another in the cash market"
    is_anothers = told.verdict == "unknown" and published.is_id(text)
    return "another's canonical id, not listed" if is_anothers else f"WRONG: {told}"


def _token_answer(registry: Registry, row: BrokerRow, segment: str | None) -> str:
    try:
        found = registry.get_by_broker_token(row.broker, row.broker_token, segment)
    except AmbiguousSymbolError as error:
        is_told = any(one.endswith(f" = {row.canonical_id}") for one in error.candidates)
        several = is_told and len(error.candidates) > 1 and segment is None
        return "several exchanges" if several else f"WRONG: {error}"
    return "itself" if is_itself(found, row) else f"WRONG: {found}"


def sweep_others(published: Published, registry: Registry, brokers: Sequence[str] = ()) -> Swept:
    """Each row's names asked of every other broker: the same instrument, or nothing."""
    swept = Swept()
    for row in published.known:
        for broker in brokers or published.brokers:
            if broker == row.broker:
                continue
            for asked, text in (
                ("symbol", row.tradingsymbol),
                ("exchange:symbol", f"{row.exchange}:{row.tradingsymbol}"),
                ("canonical id", str(row.canonical_id)),
            ):
                answer = _foreign_answer(published, registry, row, broker, text)
                swept.counts[broker, asked, answer] += 1
                if answer.startswith("WRONG"):
                    swept.blame(row.broker, broker, text, row.canonical_id, answer)
    return swept


def _foreign_answer(
    published: Published, registry: Registry, row: BrokerRow, broker: str, text: str
) -> str:
    found = registry.resolve_for_broker(text, broker)
    if text == row.canonical_id:
        times = published.times_listed(broker, text)
        if (found is not None) != (times == 1):
            return f"WRONG: listed {times} times, {found}"
    if found is None:
        return "nothing"
    identity = found["unified_id"]
    if identity == row.canonical_id:
        return "the same"
    # What the broker itself calls so comes first: it is asked in its own words.
    if any(one.canonical_id == identity for one in published.spelled(broker, text)):
        if not is_itself(registry.resolve_for_broker(text, row.broker), row):
            return "its own word, at home not this row's"
        return _own_word(row, identity) or f"WRONG: {found}"
    return _another(text, row, identity) or f"WRONG: {found}"


def _own_word(row: BrokerRow, found: str) -> str | None:
    """How two brokers come to call two instruments alike; None if nothing explains it."""
    here, there = str(row.canonical_id).split(":"), found.split(":")
    if len(here) < len(_CONTRACT) and len(there) < len(_CONTRACT):
        return "its own word for another in the cash market"
    differing = [
        part for part, one, other in zip(_CONTRACT, here, there, strict=False) if one != other
    ]
    if len(here) != len(there) or len(differing) != 1:
        return None
    return {
        "exchange": "its own word, at another exchange",
        "expiry": "its own word, for another day of the month",
    }.get(differing[0])


def sweep_lost(published: Published, registry: Registry) -> Swept:
    """Rows whose token brokers disagree on: no name and no token brings them, or a guess, out."""
    swept = Swept()
    for row in published.lost:
        for asked, text in (
            ("symbol", row.tradingsymbol),
            ("exchange:symbol", f"{row.exchange}:{row.tradingsymbol}"),
        ):
            found = registry.resolve_for_broker(text, row.broker)
            answer = registry.explain(text, row.broker).verdict if found is None else None
            if found is not None:
                answer = _another(text, row, found["unified_id"]) or f"WRONG: {found}"
            swept.counts[row.broker, asked, str(answer)] += 1
            if str(answer).startswith("WRONG"):
                swept.blame(row.broker, asked, text, row.broker_token, answer)
        by_token = registry.get_by_broker_token(row.broker, row.broker_token, row.exchange)
        if by_token is not None:
            swept.blame(row.broker, "token", row.broker_token, row.exchange, by_token)
    return swept
