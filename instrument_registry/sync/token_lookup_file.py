"""The focus part of `token_lookup_enriched.json`: Kite's tokens, each with its contract's terms.

The file holds everything that Kite lists, so most of it is surplus to nobody. Surplus is what the
focus set would hold if it were chosen of the file, and Kite does not list.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from operator import index
from typing import Any, Final

from instrument_registry.errors import shown
from instrument_registry.sync.comparison import Differences, HolderReport, compare
from instrument_registry.sync.focus_rows import KITE, FocusRow, Listings, ids_of, listings_of
from instrument_registry.sync.focus_rule import GIVEN, FocusRule, focus_set
from instrument_registry.sync.holders import CONTRACTS, FileRefused, of_file
from instrument_registry.sync.reference import Reference
from instrument_registry.sync.settings import MonitorSettings

NAME: Final = "token_lookup"


def token_lookup(reference: Reference, settings: MonitorSettings, _: datetime) -> HolderReport:
    """The file, compared contract by contract."""
    path = settings.token_lookup_file
    expected = reference.of_broker(KITE)

    def examine(document: dict[str, Any]) -> HolderReport:
        entries = listings_of(_rows(document, settings.rule))
        wanted = {key: rows for key, rows in entries.items() if key in expected}
        found = compare(expected, wanted)
        strangers = _strangers(entries, reference, settings.rule)
        surplus = compare({}, {key: entries[key] for key in strangers}).surplus
        return HolderReport(
            NAME, str(path), CONTRACTS, len(expected), len(wanted) + len(strangers),
            Differences(found.missing, surplus, found.stale),
        )  # fmt: skip

    return of_file(
        NAME, path, CONTRACTS, expected=len(expected), setting="TOKEN_LOOKUP_FILE", examine=examine
    )


def _strangers(entries: Listings, reference: Reference, rule: FocusRule) -> list[tuple[str, str]]:
    day = reference.publication.as_of_date
    if day is None:
        return []
    prices = {
        one.underlying: one.money
        for one in reference.focus.chosen
        if one.money_source == GIVEN and one.money is not None
    }
    chosen = focus_set(ids_of(entries, KITE), day, prices, rule)
    return [(KITE, identity) for identity in sorted(chosen.ids - reference.listed_ids)]


def _rows(document: dict[str, Any], rule: FocusRule) -> Iterator[FocusRow]:
    """The contracts of the focus underlyings, with the canonical ids that dbt spells."""
    wanted = set(rule.underlyings)
    for token, entry in document.items():
        if not isinstance(entry, dict):
            raise FileRefused(f"the entry {shown(token)} is no object")
        name = entry.get("name")
        if not isinstance(name, str) or (name.strip(), entry.get("exchange")) not in wanted:
            continue
        if entry.get("instrument_type") in {"FUT", "CE", "PE"}:
            yield _row(token, entry)


def _row(token: str, entry: dict[str, Any]) -> FocusRow:
    try:
        strike = float(entry["strike"])
        parts = [entry["exchange"], entry["name"].strip(), entry["expiry"]]
        if entry["instrument_type"] != "FUT":
            # As canonical ids have it: no exponent, no zeros at the end.
            parts.append(f"{Decimal(str(strike)).normalize():f}")
        parts.append(entry["instrument_type"])
        own = str(entry["instrument_token"])
        # What readers find under a token must say that token.
        said = token if own == token else f"{token}, inside {own}"
        return FocusRow(
            ":".join(parts), KITE, str(entry["tradingsymbol"]), said, index(entry["lot_size"]),
            float(entry["tick_size"]), strike,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise FileRefused(
            f"the entry {shown(token)} cannot be read: {type(error).__name__} {error}"
        ) from error
