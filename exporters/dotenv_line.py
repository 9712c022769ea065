"""One variable's line in the text of a `.env` file: found by python-dotenv's grammar, replaced.

Everything is a function of bytes: nothing is read or written here. Bytes that are no UTF-8 pass
through unchanged.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from dotenv.parser import Binding, parse_stream

from exporters.errors import DestinationRefused

COMMENT = "# The instruments to stream, written by the instrument warehouse"

_BYTE_ORDER_MARK = "\ufeff"
_SPACES = r"[^\S\r\n]*"
_LINE = re.compile(
    rf"(?P<lead>\s*(?:export[^\S\r\n]+)?)(?P<key>'[^']+'|[^=\#\s]+){_SPACES}(?P<rest>.*)", re.DOTALL
)
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
# What follows a value: a comment, with the spaces before it, and the end of the line.
_TAIL = re.compile(r"(?:\s+\#[^\r\n]*)?(?:\r\n|\n|\r|\Z)")
_EQUALS = re.compile(rf"={_SPACES}")
_PASSES = 10
_NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Held:
    """What a file says of a variable.

    Attributes:
        values: One a line that sets it, in order; the last one counts. None where the line
            has no value or is damaged.
    """

    values: tuple[str | None, ...]

    @property
    def effective(self) -> str | None:
        """The value that python-dotenv gives to a program."""
        return self.values[-1] if self.values else None


def held(content: bytes, variable: str) -> Held:
    """What the file says of the variable."""
    found = [
        None if binding.error else binding.value
        for binding in _bindings(_text(content))
        if _sets(binding, variable)
    ]
    return Held(tuple(found))


def with_line(content: bytes, variable: str, value: str) -> bytes:
    """The file with `variable=value` in the place of every line that sets the variable.

    A line keeps its indentation, an `export` before it, a comment after it, and its line end.
    Several lines all get the value, since readers disagree on which one counts. Without any, the
    line is appended after a comment, in the file's own kind of line ends. A line that is
    commented out, and one inside a quoted value of another variable, is not a line that sets it.

    Raises:
        DestinationRefused: The file is so damaged that another variable would change with it.
    """
    text = _text(content)
    result = text
    # Mending a line with an open quote gives back the lines that it had swallowed.
    for _ in range(_PASSES):
        before, result = result, _pass(result, variable, value)
        if result == before:
            break
    _check(text, result, variable, value)
    return result.encode("utf-8", "surrogateescape")


def _pass(text: str, variable: str, value: str) -> str:
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    bindings = _bindings(text)
    if not any(_sets(binding, variable) for binding in bindings):
        return _appended(text, f"{variable}={value}")
    pieces = [
        _replaced(binding, variable, value) if _sets(binding, variable) else binding.original.string
        for binding in bindings
    ]
    return mark + "".join(pieces)


def _text(content: bytes) -> str:
    # The grammar is that of text; bytes that are no UTF-8 travel as lone surrogates.
    return content.decode("utf-8", "surrogateescape")


def _bindings(text: str) -> list[Binding]:
    # Without a newline argument, StringIO leaves line ends as they are.
    return list(parse_stream(io.StringIO(text)))


def _sets(binding: Binding, variable: str) -> bool:
    """Whether the piece sets the variable, or is a damaged line that was meant to."""
    if not binding.error:
        return binding.key == variable
    match = _LINE.match(binding.original.string)
    return bool(match and match["key"] == variable and match["rest"].startswith("="))


def _replaced(binding: Binding, variable: str, value: str) -> str:
    match = _LINE.match(binding.original.string)
    if match is None:  # the parser found the key by the same grammar
        raise AssertionError(f"line {binding.original.line} is not the line of {variable}")
    rest = match["rest"]
    # A damaged line, such as one with an open quote, may have swallowed those after it.
    tail = _from_line_end(rest) if binding.error else _tail(rest)
    return f"{match['lead']}{variable}={value}{tail}"


def _from_line_end(rest: str) -> str:
    match = _NEWLINE.search(rest)
    return rest[match.start() :] if match else ""


def _tail(rest: str) -> str:
    """The comment and the line end after `=value`."""
    equals = _EQUALS.match(rest)
    if equals is None:
        return rest
    quoted = _QUOTED.match(rest, equals.end())
    if quoted:
        tail = rest[quoted.end() :]
        # Right after a quote, a comment needs no space; after a bare value it does.
        return f" {tail}" if tail.startswith("#") else tail
    # From the equals sign on: `= # comment` is an empty value with a comment.
    match = _TAIL.search(rest, 1)
    return match[0] if match else ""


def _appended(text: str, line: str) -> str:
    ends = _NEWLINE.findall(text)
    end = "\r\n" if ends.count("\r\n") * 2 > len(ends) else "\n"
    start = end if text and not text.endswith(("\n", "\r")) else ""
    return f"{text}{start}{COMMENT}{end}{line}{end}"


def _check(before: str, after: str, variable: str, value: str) -> None:
    """Read the result back: the variable as wanted, every other one as it was."""
    bindings = _bindings(after)
    values = {binding.value for binding in bindings if binding.key == variable}
    others = _others(bindings, variable)
    wanted = _others(_bindings(before), variable)
    is_damaged = any(binding.error for binding in _bindings(before))
    if values != {value} or (others != wanted and not is_damaged):
        raise DestinationRefused(
            f"The line {variable}= cannot be written without changing others",
            expected="a file that python-dotenv can parse",
            consumers="Nothing was changed.",
            remedy="Mend the quotes in the file by hand.",
        )


def _others(bindings: list[Binding], variable: str) -> list[tuple[str | None, str | None]]:
    return [
        (binding.key, binding.value)
        for binding in bindings
        if binding.key is not None and binding.key != variable
    ]
