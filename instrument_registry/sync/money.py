"""The money of a publication whose reference prices nobody can be asked.

The database records them; the snapshot does not. But a focus set that was chosen around a price
is chosen by no other price than those near it: if some price explains what the snapshot holds, it
is as good as the one that was given. What no price explains is damage, and is not explained away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise

from instrument_registry.sync.focus_rule import FocusRule, contract_of, focus_set


def explained_prices(
    listed_ids: Collection[str],
    held: Collection[str],
    as_of: date,
    known: Mapping[str, Decimal],
    rule: FocusRule,
) -> dict[str, Decimal]:
    """A price for each underlying whose focus set the middle strike does not give, and it does.

    Args:
        listed_ids: canonical ids of everything that Kite lists.
        held: the focus set that is to be explained.
        as_of: the trading day of the publication.
        known: prices that are known, by underlying; they are not looked for.
        rule: whose focus set.
    """
    found = {}
    for underlying, exchange in rule.underlyings:
        if underlying in known:
            continue
        alone = FocusRule(
            ((underlying, exchange),), rule.futures, rule.expiries, rule.strikes_each_side
        )
        (prefix,) = alone.prefixes
        listed = [one for one in listed_ids if one.startswith(prefix)]
        wanted = {one for one in held if one.startswith(prefix)}
        if not wanted or focus_set(listed, as_of, {}, alone).ids == wanted:
            continue
        for price in _candidates(listed, wanted):
            if focus_set(listed, as_of, {underlying: price}, alone).ids == wanted:
                found[underlying] = price
                break
    return found


def _candidates(listed: Collection[str], wanted: Collection[str]) -> Iterator[Decimal]:
    """Prices one of which explains the set if any does.

    Those nearest to one strike lie between it and its neighbours, up to the point half way to the
    upper one: of two strikes as near, the lower counts. Where several expiries have to agree, the
    highest price on which they do is such a point of one of them, or a highest strike.
    """
    expiries = {one.split(":")[2] for one in wanted}
    strikes: dict[date, set[Decimal]] = {}
    for identity in listed:
        contract = contract_of(identity)
        if contract is None or contract.strike is None:
            continue
        if contract.expiry.isoformat() in expiries:
            strikes.setdefault(contract.expiry, set()).add(contract.strike)
    held = [one.strike for one in map(contract_of, wanted) if one is not None and one.strike]
    if not held:
        return
    lowest, highest = min(held), max(held)
    points = {
        point
        for several in strikes.values()
        for point in (*((a + b) / 2 for a, b in pairwise(sorted(several))), max(several))
    }
    yield from sorted(point for point in points if lowest <= point <= highest)
