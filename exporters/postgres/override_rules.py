"""What a hand change of `is_active` means: pure rules over values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

Origin = Literal["hand", "adopted"]

# Under this filter the subscription is kept as it was: there is nothing to change back to.
_KEEPING_FILTER = "all"


@dataclass(frozen=True, slots=True)
class Override:
    """A wish of a person, in the columns of `ops.subscription_overrides`."""

    canonical_id: str
    instrument_token: int
    is_active: bool
    origin: Origin
    recorded_at: datetime
    filter: str | None = None
    is_change_back: bool = False


@dataclass(frozen=True, slots=True)
class HandChange:
    """An instrument whose `is_active` is not what the publication set.

    Attributes:
        is_active: What the row says now; the publication set the contrary.
        published_origin: Why it was published active: 'filter', 'override' or 'kept'; None when
            it was published inactive.
    """

    canonical_id: str
    instrument_token: int
    is_active: bool
    published_origin: str | None


def overrides_after(
    changes: Iterable[HandChange],
    published: Mapping[str, Override],
    *,
    filter_name: str,
    recorded_at: datetime,
    next_filter: str | None = None,
) -> dict[str, Override]:
    """The overrides that the next build has to heed, by canonical id.

    They are a function of the overrides of the last publication and of what has changed since,
    never of what was captured in between.

    Args:
        changes: What differs now from what was published.
        published: The overrides as of the last publication.
        filter_name: The filter of the last publication.
        recorded_at: The instant to note on new ones.
        next_filter: The filter that is built next; that of the last publication unless known.
    """
    after = dict(published)
    # Two tokens may spell one contract: of contrary wishes the one to stream wins.
    for change in sorted(changes, key=lambda one: (one.is_active, -one.instrument_token)):
        held = published.get(change.canonical_id)
        if held is not None and held.is_active == change.is_active:
            continue
        if _cancels(change, filter_name) and held and next_filter != _KEEPING_FILTER:
            # Without the override the next filter has its say, whatever it is. Only what keeps
            # the subscription as it is has to be told no.
            after.pop(change.canonical_id, None)
            continue
        after[change.canonical_id] = Override(
            change.canonical_id,
            change.instrument_token,
            change.is_active,
            "hand",
            recorded_at,
            filter_name,
            is_change_back=_is_change_back(change, held, filter_name),
        )
    return after


def keep_recorded_at(
    wanted: Mapping[str, Override], held: Mapping[str, Override]
) -> dict[str, Override]:
    """The wanted overrides, with the instant of those that are held already and say the same."""
    kept: dict[str, Override] = {}
    for canonical_id, override in wanted.items():
        before = held.get(canonical_id)
        same = before and replace(override, recorded_at=before.recorded_at) == before
        kept[canonical_id] = before if before and same else override
    return kept


def _is_change_back(change: HandChange, held: Override | None, filter_name: str) -> bool:
    """Whether the change says what the filter of the last publication says by itself."""
    if change.is_active:
        return held is not None and held.filter == filter_name != _KEEPING_FILTER
    return _cancels(change, filter_name)


def _cancels(change: HandChange, filter_name: str) -> bool:
    """Whether the change switches off what was on by an override alone."""
    is_by_override = not change.is_active and change.published_origin == "override"
    return is_by_override and filter_name != _KEEPING_FILTER


def expiry_of(canonical_id: str) -> date | None:
    """The last day of a derivative, as its canonical id spells it; None of what has none."""
    for part in canonical_id.split(":")[2:]:
        try:
            return date.fromisoformat(part)
        except ValueError:
            continue
    return None


def is_expired(canonical_id: str, as_of: date) -> bool:
    """Whether the contract is traded no more on a day."""
    expiry = expiry_of(canonical_id)
    return expiry is not None and expiry < as_of


def spelled_canonical_id(
    *,
    exchange: str | None,
    segment: str | None,
    trading_symbol: str,
    name: str | None,
    instrument_type: str | None,
    expiry: date | None,
    strike: Decimal | None,
) -> str:
    """The canonical id of a legacy row, before any build has spelled it.

    A publication compares it with the model's own spelling and asks for another build if they
    differ.
    """
    if segment in {"INDICES", "NSE-INDICES"}:
        return f"INDEX:{trading_symbol}"
    if expiry is None or instrument_type not in {"FUT", "CE", "PE"}:
        return f"{exchange}:{trading_symbol}"
    if instrument_type == "FUT":
        return f"{exchange}:{name}:{expiry.isoformat()}:FUT"
    shown = f"{strike:f}" if strike is not None else ""
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return f"{exchange}:{name}:{expiry.isoformat()}:{shown}:{instrument_type}"
