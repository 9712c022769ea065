"""The contract of a text that says the whole day: what the forms with a day in them share."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from instrument_registry.symbols.contracts import Future, Option, OptionType


def contract(
    exchange: str, underlying: str, expiry: date | None, strike: str | None, option_type: str | None
) -> tuple[Future | Option, ...]:
    """The one contract of these parts; none where the calendar has no such day.

    Args:
        exchange: where it trades.
        underlying: as it stands in the symbol.
        expiry: the day, None if there is none such (31 June).
        strike: as it stands in the symbol, None of a future.
        option_type: `CE` or `PE`, None of a future.
    """
    if expiry is None:
        return ()
    if strike is None or option_type is None:
        return (Future(exchange, underlying, expiry),)
    return (Option(exchange, underlying, expiry, Decimal(strike), OptionType(option_type)),)
