"""Patterns of paths: `*` and `?` stay inside one name, `**` stands for any folders.

A pattern without a slash is a file's name, in whichever folder; one with a slash begins at the
root. Paths are relative, with `/` between names.
"""

from __future__ import annotations

import re
from typing import Final

_ONE: Final = {"*": "[^/]*", "?": "[^/]"}


def problem(pattern: str) -> str | None:
    """Why a text is no pattern; None if it is one."""
    if not pattern.strip() or "\0" in pattern:
        return "is blank or has a NUL in it"
    if "\\" in pattern or "[" in pattern:
        return "has a backslash or a bracket; only * ? and ** are special, folders end in /"
    parts = pattern.split("/")
    if "" in parts or "." in parts or ".." in parts:
        return "begins or ends with /, or has // or . or .. in it; it is relative to the root"
    if any("**" in part and part != "**" for part in parts):
        return "has ** beside something else; it stands alone between slashes"
    return None


def matches_everything(pattern: str) -> bool:
    """Whether no file's name is of any matter to it."""
    return not pattern.rpartition("/")[2].strip("*?") and not pattern.strip("*?/")


def expression(pattern: str) -> str:
    """The regular expression for a pattern that has no `problem`; for `fullmatch`."""
    parts = pattern.split("/") if "/" in pattern or pattern == "**" else ["**", pattern]
    text = ""
    for part in parts[:-1]:
        text += "(?:[^/]+/)*" if part == "**" else f"{_name(part)}/"
    return text + (".+" if parts[-1] == "**" else _name(parts[-1]))


def _name(part: str) -> str:
    return "".join(_ONE.get(one) or re.escape(one) for one in part)


def compiled(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """A pattern that has no `problem`, for `fullmatch`; a name may hold newlines."""
    return re.compile(expression(pattern), re.DOTALL | (re.IGNORECASE if ignore_case else 0))
