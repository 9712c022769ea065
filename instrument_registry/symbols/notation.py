"""The letters that every grammar is written with: months, days, strikes, names.

Everything here is ASCII on purpose: a pattern's digit class would match forty other scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Final

MONTHS: Final = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip
MONTH_NUMBER: Final[Mapping[str, int]] = MappingProxyType(
    {name: number for number, name in enumerate(MONTHS, start=1)}
)
# The month as one character: 1 to 9, then October, November and December by their initials.
MONTH_LETTERS: Final = "123456789OND"
LETTER_NUMBER: Final[Mapping[str, int]] = MappingProxyType(
    {letter: number for number, letter in enumerate(MONTH_LETTERS, start=1)}
)

# Two digits of a year are years of this century: nothing listed is older or outlives it.
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2099

# Names as they stand in symbols: NIFTY, 360ONE, M&M, BAJAJ-AUTO, NIFTYNXT50, 633GS2035.
# At most 40 characters; the longest of any dump has 20.
UNDERLYING: Final = r"[A-Z0-9](?:[A-Z0-9&-]{0,38}[A-Z0-9])?"
# Strikes never have leading zeros nor trailing ones after the point: 26450, 172.5, 0.965.
_FRACTION: Final = r"\.[0-9]{0,7}[1-9]"
STRIKE: Final = rf"(?:[1-9][0-9]{{0,11}}(?:{_FRACTION})?|0{_FRACTION})"
# The same where the zero before the point is left out: .965.
STRIKE_BARE_FRACTION: Final = rf"(?:[1-9][0-9]{{0,11}}(?:{_FRACTION})?|{_FRACTION})"
OPTION_TYPE: Final = r"(?:CE|PE)"
MONTH: Final = f"(?:{'|'.join(MONTHS)})"


@lru_cache(maxsize=8192)
def day(year: int, month: int, day_of_month: int) -> date | None:
    """That day, or None where the calendar has no such day (31 June)."""
    try:
        return date(year, month, day_of_month)
    except ValueError:
        return None


def strike_text(strike: Decimal) -> str:
    """A strike as symbols have it: `26450`, `390.75`; no exponent, no trailing zeros.

    By text and not by `normalize()`, which rounds to the context's precision.
    """
    text = format(strike, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
