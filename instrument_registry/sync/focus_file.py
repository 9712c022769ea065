"""`focus_instruments.json`: every broker's spelling of the focus set, and its own account of it.

The file does not say which publication it shows, only the Indian date of it. A symbol that was
changed is therefore one that is missing and one too many; `stale` is what the file says of itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

from instrument_registry.clock import INDIA
from instrument_registry.errors import shown
from instrument_registry.sync.comparison import Difference, Differences, HolderReport, named
from instrument_registry.sync.focus_rows import KITE
from instrument_registry.sync.holders import FileRefused, of_file
from instrument_registry.sync.reference import Reference
from instrument_registry.sync.settings import MonitorSettings

NAME: Final = "focus_file"
UNIT: Final = "symbols"


def focus_file(reference: Reference, settings: MonitorSettings, _: datetime) -> HolderReport:
    """The file, compared symbol by symbol."""
    path = settings.focus_file
    spelled = _spelled(reference)
    expected = len({symbols[0] for symbols in spelled.values()})

    def examine(document: dict[str, Any]) -> HolderReport:
        symbols = _symbols(document)
        held = set(symbols)
        allowed = {symbol for choice in spelled.values() for symbol in choice}
        missing = sorted(
            {
                Difference(choice[0], broker, identity)
                for (broker, identity), choice in spelled.items()
                if held.isdisjoint(choice)
            }
        )
        surplus = [Difference(one, "", "") for one in sorted(held - allowed)]
        stale = sorted(_own_account(document, symbols, reference))
        return HolderReport(
            NAME, str(path), UNIT, expected, len(held),
            Differences(tuple(missing), tuple(surplus), tuple(stale)),
            outdated=_why_outdated(document, reference),
        )  # fmt: skip

    return of_file(
        NAME, path, UNIT, expected=expected, setting="FOCUS_INSTRUMENTS_FILE", examine=examine
    )


def _spelled(reference: Reference) -> dict[tuple[str, str], tuple[str, ...]]:
    """What may stand for each listing; several where a contract was published under several."""
    return {
        key: tuple(sorted({row.symbol for row in rows})) for key, rows in reference.listings.items()
    }


def _symbols(document: dict[str, Any]) -> list[str]:
    found = document.get("symbols")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise FileRefused("`symbols` is no list of texts")
    return found


def _own_account(
    document: dict[str, Any], symbols: list[str], reference: Reference
) -> Iterator[Difference]:
    """Where the file's counts are not those of the publication."""
    if symbols != sorted(set(symbols)):
        yield Difference("symbols", "", "not in order, or some of them twice")
    total = document.get("total_symbols")
    if total != len(symbols):
        yield Difference("total_symbols", "", f"{shown(total)} (it holds {len(symbols)})")
    underlyings = sorted({one.underlying for one in reference.focus.chosen if one.contracts})
    found = document.get("underlying_indices")
    if found != underlyings:
        yield Difference("underlying_indices", "", f"{shown(found)} (published {underlyings})")
    said = document.get("source")
    said = said if isinstance(said, dict) else {}
    for broker, by_type in sorted(_counted(reference).items()):
        own = said.get(broker)
        own = own if isinstance(own, dict) else {}
        account = own.get("total"), own.get("by_type")
        if account != (by_type.total(), dict(by_type)):
            told = (
                f"{shown(account)} (published {by_type.total()}, {dict(sorted(by_type.items()))})"
            )
            yield Difference("source", broker, told)
    for broker in sorted(said.keys() - _counted(reference).keys()):
        yield Difference("source", str(broker), "of no such broker is anything published")


def _counted(reference: Reference) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {KITE: Counter()}
    for (broker, identity), rows in reference.listings.items():
        # Of Kite's rows the publication takes one a contract.
        counted = 1 if broker == KITE else len(rows)
        found.setdefault(broker, Counter())[identity.rpartition(":")[2]] += counted
    return found


def _why_outdated(document: dict[str, Any], reference: Reference) -> str:
    told = reference.publication
    said = document.get("generated_date")
    try:
        day = date.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        day = None
    if day is None:
        return f"`generated_date` is {shown(said)}; expected a day"
    if told.published_at is None or day == told.published_at.astimezone(INDIA).date():
        return ""
    published = told.published_at.astimezone(INDIA).date()
    return f"it was generated on {day}; {named(told)} was published on {published} in India"
