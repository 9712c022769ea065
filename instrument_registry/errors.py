"""What can go wrong while an instrument is looked up or its symbol is read.

    RegistryError
    `-- SymbolError (also a ValueError)
        |-- UnknownBroker       no grammar is known under that name
        |-- UnknownExchange     the broker's grammar is not known for that exchange
        |-- SymbolNotRead       the text is not in the grammar of that broker and exchange
        |-- SymbolAmbiguous     the text can name several contracts: see `candidates`
        |-- ExpiryUnresolved    the text, or the spelling, hangs on expiries that were not given
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


class UnknownBroker(SymbolError):
    """No grammar is known under the name that was given."""


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


class ExpiryUnresolved(SymbolError):
    """The grammar leaves out (part of) the expiry, and the listed expiries do not say it."""


class NotSpellable(SymbolError):
    """The contract has terms that the broker's grammar cannot say."""


class ContractInvalid(SymbolError):
    """Terms that no contract has: a strike of zero, an expiry in 1980, a name with a colon."""


class CanonicalIdNotRead(SymbolError):
    """The text is no canonical id."""
