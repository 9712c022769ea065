"""What can go wrong while an instrument is looked up or its symbol is read.

    RegistryError
    |-- RegistryUnavailable     no source holds a publication that could be read
    |   |-- SnapshotRefused     the snapshot file is torn, foreign, or of another version
    |   `-- SourceRefused       a database or Redis answered with something that is no publication
    |-- RegistryStale           what was found is older than what is allowed
    |-- FlagRefused             a feature flag that does not exist, or a value that it cannot take
    |-- SettingRefused          an environment variable that cannot be read
    |-- ReportNotWritten        a monitoring report cannot be put where it was wanted
    `-- SymbolError (also a ValueError)
        |-- UnknownSymbolError  nothing is listed under that symbol: see `suggestions`
        |-- ConflictingTokenError the broker lists it, but its token is another contract elsewhere
        |-- UnknownBroker       no broker is known under that name
        |-- UnknownExchange     the broker's grammar is not known for that exchange
        |-- SymbolNotRead       the text is not in the grammar of that broker and exchange
        |-- SymbolAmbiguous     the text can name several contracts: see `candidates`
        |   `-- AmbiguousSymbolError  several listed instruments answer to it
        |-- ExpiryUnresolved    the text, or the spelling, hangs on expiries that were not given
        |-- ExpiryContradicted  the text names another expiry than the one that was given
        |-- NotSpellable        the grammar cannot say the contract
        |-- ContractInvalid     terms that no contract has
        `-- CanonicalIdNotRead  the text is no canonical id

A message says what was seen, what was expected and what to do. Nothing is ever guessed: what is
open is refused, with the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_SHOWN = 80


def shown(text: object) -> str:
    """`text` quoted and cut short, as messages show what they saw."""
    quoted = repr(text)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[:_SHOWN]}..."


class RegistryError(Exception):
    """Base of the registry's errors."""


class ReportNotWritten(RegistryError):
    """A monitoring report cannot be written; what was there is as it was."""


class SymbolError(RegistryError, ValueError):
    """Base of what goes wrong with symbols.

    Attributes:
        symbol: the text (or the contract, when one is spelled) that it is about.
        broker: whose grammar was asked, empty where none was.
        seen: what was found.
        expected: what should have been there.
        next_step: what to do.
    """

    def __init__(
        self, symbol: object, *, seen: str, expected: str, broker: str = "", next_step: str = ""
    ) -> None:
        super().__init__(symbol, seen, expected, broker, next_step)
        self.symbol = symbol
        self.broker = broker
        self.seen = seen
        self.expected = expected
        self.next_step = next_step

    # Exceptions are rebuilt from positional arguments when they cross a process boundary; ours
    # take keywords.
    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        about = f"{self.broker}: " if self.broker else ""
        text = f"{about}{self.seen}; expected {self.expected}"
        return f"{text}. {self.next_step}" if self.next_step else text


def _rebuilt(
    cls: type[SymbolError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> SymbolError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


class RegistryUnavailable(RegistryError):
    """No source held a publication that could be read."""


class SnapshotRefused(RegistryUnavailable):
    """The snapshot file is torn, foreign, or of another version; nothing of it was taken."""


class SourceRefused(RegistryUnavailable):
    """A database or Redis was reached, but what it holds is no whole publication."""


class RegistryStale(RegistryError):
    """The last publication is older than what is allowed.

    Attributes:
        age_seconds: how old it is; None if the source does not say.
        limit_seconds: how old it may be.
    """

    def __init__(self, message: str, age_seconds: float | None, limit_seconds: float) -> None:
        super().__init__(message, age_seconds, limit_seconds)
        self.age_seconds = age_seconds
        self.limit_seconds = limit_seconds

    def __str__(self) -> str:
        return str(self.args[0])


class FlagRefused(RegistryError, ValueError):
    """A feature flag that does not exist, or a value that it cannot take."""


class SettingRefused(RegistryError, ValueError):
    """An environment variable that cannot be read."""


class UnknownSymbolError(SymbolError):
    """Nothing is listed under that symbol.

    Attributes:
        suggestions: the nearest symbols that the broker does list, at most five.
    """

    def __init__(
        self, symbol: object, *, suggestions: Sequence[str] = (), seen: str, expected: str,
        broker: str = "", next_step: str = "",
    ) -> None:  # fmt: skip
        super().__init__(symbol, seen=seen, expected=expected, broker=broker, next_step=next_step)
        self.suggestions = tuple(suggestions)


class UnknownBroker(SymbolError):
    """No broker is known under the name that was given."""


class UnknownExchange(SymbolError):
    """The broker's symbols of that exchange, or of that kind there, are not known."""


class SymbolNotRead(SymbolError):
    """The text is not written in the grammar of that broker and exchange."""


class SymbolAmbiguous(SymbolError):
    """The text can name several contracts, and nothing that was given decides between them.

    Attributes:
        candidates: every contract that the text can name.
    """

    def __init__(
        self, symbol: object, *, candidates: Sequence[Any], seen: str, expected: str,
        broker: str = "", next_step: str = "",
    ) -> None:  # fmt: skip
        super().__init__(symbol, seen=seen, expected=expected, broker=broker, next_step=next_step)
        self.candidates = tuple(candidates)


class AmbiguousSymbolError(SymbolAmbiguous):
    """Several listed instruments answer to it.

    Attributes:
        candidates: a short text each, `EXCHANGE:SYMBOL token TOKEN = UNIFIED ID`.
    """


class ConflictingTokenError(SymbolError):
    """The broker lists it, but its exchange token is another contract at another broker."""


class ExpiryUnresolved(SymbolError):
    """The grammar leaves out (part of) the expiry, and the listed expiries do not say it."""


class ExpiryContradicted(SymbolError):
    """The text names no contract that expires on the day that was given.

    Attributes:
        candidates: what the text does name; `Undated` where it has a month only.
    """

    def __init__(
        self, symbol: object, *, candidates: Sequence[Any], seen: str, expected: str,
        broker: str = "", next_step: str = "",
    ) -> None:  # fmt: skip
        super().__init__(symbol, seen=seen, expected=expected, broker=broker, next_step=next_step)
        self.candidates = tuple(candidates)


class NotSpellable(SymbolError):
    """The contract has terms that the broker's grammar cannot say."""


class ContractInvalid(SymbolError):
    """Terms that no contract has: a strike of zero, an expiry in 1980, a name with a colon."""


class CanonicalIdNotRead(SymbolError):
    """The text is no canonical id."""
