"""The terms of what is traded, as values; each checks at birth that such a thing can exist.

Exchanges are named as Kite names them: NSE and BSE (cash), NFO and BFO (their derivatives), CDS and
BCD (currencies and interest rates at NSE and BSE), MCX, NCO and NCDEX (commodities at MCX, NSE and
NCDEX).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Final

from instrument_registry.errors import ContractInvalid, shown
from instrument_registry.symbols.notation import FIRST_YEAR, LAST_YEAR, MONTH, STRIKE, UNDERLYING
from instrument_registry.symbols.notation import strike_text as plain

# Those whose contracts every broker spells.
COMMON_EXCHANGES: Final = frozenset({"NFO", "BFO", "CDS", "BCD", "MCX", "NCO"})
DERIVATIVE_EXCHANGES: Final = COMMON_EXCHANGES | {"NCDEX"}
# Commodity exchanges list the bare commodity too.
CASH_EXCHANGES: Final = frozenset({"NSE", "BSE", "MCX", "NCO", "NCDEX"})

_UNDERLYING: Final = re.compile(UNDERLYING)
_STRIKE: Final = re.compile(STRIKE)
_SERIES: Final = re.compile(r"[A-Z0-9]{2}")
# Shares by exchange. BSE's have spaces, points, dollars and stars: `8.9JSWSL30`, `12 MFLS2`.
_CASH: Final = {
    "NSE": re.compile(r"[A-Z0-9](?:[A-Z0-9&-]*[A-Z0-9])?"),
    "BSE": re.compile(r"[A-Z0-9](?:[A-Z0-9&.$* -]*[A-Z0-9$*])?"),
    # A bare commodity; what ends like a contract is not one.
    "MCX": re.compile(r"(?!.*[0-9]{2}.*(?:FUT|CE|PE)\Z)[A-Z0-9]+"),
    "NCO": re.compile(r"(?!.*[0-9]{2}.*(?:FUT|CE|PE)\Z)[A-Z0-9]+"),
    "NCDEX": re.compile(rf"(?!.*[0-9]{{2}}{MONTH}(?:20)?[0-9]{{2}})[A-Z0-9]+"),
}
_INDEX: Final = re.compile(r"[!-9;-~](?:[ -9;-~]*[!-9;-~])?")
_LONGEST_NAME: Final = 40


class Kind(StrEnum):
    """What sort of thing it is, in the words of `marts.instruments.kind`."""

    INDEX = "index"
    CASH = "cash"
    FUTURE = "future"
    OPTION = "option"


class OptionType(StrEnum):
    """Call or put, as every exchange in India writes it."""

    CE = "CE"
    PE = "PE"


@dataclass(frozen=True, slots=True)
class Index:
    """An index. The symbol is Kite's (`NIFTY 50`), for that is what canonical ids hold."""

    symbol: str
    kind: ClassVar[Kind] = Kind.INDEX

    def __post_init__(self) -> None:
        _require(_named(_INDEX, self.symbol), self.symbol, "an index's name, without a colon")


@dataclass(frozen=True, slots=True)
class Share:
    """Anything of the cash market: a share, a fund, a bond, or a bare commodity.

    Attributes:
        exchange: NSE, BSE, MCX, NCO or NCDEX.
        symbol: the exchange's symbol, without the series.
        series: NSE's two-character series (`EQ`, `BE`, `SM`), None where the symbol's grammar does
            not say it. Always None at other exchanges, whose symbols stand alone.
    """

    exchange: str
    symbol: str
    series: str | None = None
    kind: ClassVar[Kind] = Kind.CASH

    def __post_init__(self) -> None:
        _require(self.exchange in CASH_EXCHANGES, self.exchange, f"one of {sorted(CASH_EXCHANGES)}")
        _require(
            _named(_CASH[self.exchange], self.symbol), self.symbol,
            f"a cash symbol of {self.exchange}",
        )  # fmt: skip
        if self.series is not None:
            _require(self.exchange == "NSE", self.series, f"no series at {self.exchange}")
            _require(_SERIES.fullmatch(self.series), self.series, "a series of two characters")


@dataclass(frozen=True, slots=True)
class Future:
    """A future: its derivative exchange, underlying and last day."""

    exchange: str
    underlying: str
    expiry: date
    kind: ClassVar[Kind] = Kind.FUTURE

    def __post_init__(self) -> None:
        _require_derivative(self.exchange, self.underlying)
        _require_expiry(self.expiry)


@dataclass(frozen=True, slots=True)
class Option:
    """An option. The strike is in the price's own unit (rupees, as a rule), exact.

    `Decimal("100")` and `Decimal("100.0")` are the same strike: they compare and hash alike.
    """

    exchange: str
    underlying: str
    expiry: date
    strike: Decimal
    option_type: OptionType
    kind: ClassVar[Kind] = Kind.OPTION

    def __post_init__(self) -> None:
        _require_derivative(self.exchange, self.underlying)
        _require_expiry(self.expiry)
        _require_strike(self.strike, self.option_type)


@dataclass(frozen=True, slots=True, order=True)
class ExpiryMonth:
    """What a symbol without a day says of its expiry.

    Attributes:
        year: four digits.
        month: 1 to 12.
        is_monthly: whether it means the month's monthly expiry (Kite); if not, any expiry in that
            month, a weekly one as well (Dhan).
    """

    year: int
    month: int
    is_monthly: bool

    def __str__(self) -> str:
        which = "monthly expiry of " if self.is_monthly else "an expiry in "
        return f"{which}{self.year:04d}-{self.month:02d}"


@dataclass(frozen=True, slots=True)
class Undated:
    """A future or option whose symbol names a month only: no contract yet.

    `strike` and `option_type` are None for a future.
    """

    exchange: str
    underlying: str
    month: ExpiryMonth
    strike: Decimal | None = None
    option_type: OptionType | None = None

    @property
    def kind(self) -> Kind:
        """Whether it is a future or an option."""
        return Kind.FUTURE if self.option_type is None else Kind.OPTION

    def on(self, expiry: date) -> Future | Option:
        """The contract of these terms that expires on that day, which must be in the month."""
        _require(
            (expiry.year, expiry.month) == (self.month.year, self.month.month),
            expiry,
            str(self.month),
        )
        if self.option_type is None or self.strike is None:
            return Future(self.exchange, self.underlying, expiry)
        return Option(self.exchange, self.underlying, expiry, self.strike, self.option_type)


Derivative = Future | Option
Contract = Index | Share | Derivative
Reading = Contract | Undated


def _named(pattern: re.Pattern[str], name: str) -> bool:
    return len(name) <= _LONGEST_NAME and pattern.fullmatch(name) is not None


def _require(held: object, value: object, expected: str) -> None:
    if not held:
        raise ContractInvalid(value, seen=f"{shown(value)} seen", expected=expected)


def _require_derivative(exchange: str, underlying: str) -> None:
    if exchange not in DERIVATIVE_EXCHANGES:
        _require(held=False, value=exchange, expected=f"one of {sorted(DERIVATIVE_EXCHANGES)}")
    if not _named(_UNDERLYING, underlying):
        _require(held=False, value=underlying, expected="an underlying (A-Z, 0-9, & and - within)")


def _require_expiry(expiry: date) -> None:
    # A datetime is a date to Python, but would be another key.
    if isinstance(expiry, datetime) or not FIRST_YEAR <= expiry.year <= LAST_YEAR:
        _require(
            held=False, value=expiry, expected=f"a date from {FIRST_YEAR} to {LAST_YEAR} as expiry"
        )


def _require_strike(strike: Decimal, option_type: OptionType) -> None:
    if not isinstance(option_type, OptionType):
        _require(held=False, value=option_type, expected="OptionType.CE or OptionType.PE")
    # Ask before spelling it out: Decimal("1E+999999") has a million digits.
    if not (
        isinstance(strike, Decimal)
        and strike.is_finite()
        and -8 <= strike.adjusted() < 12  # noqa: PLR2004 - the pattern's own limits
        and _STRIKE.fullmatch(plain(strike))
    ):
        _require(held=False, value=strike, expected="a strike above 0, 12 digits and 8 decimals")
