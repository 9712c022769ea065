"""What the package promises as a whole: light, documented, its examples true."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

from instrument_registry import errors, symbols


def test_the_tree_in_the_errors_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in errors.__doc__.splitlines():
        if match := re.match(r"    ([ |`-]*)(\w+)", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            drawn[match[2]] = above.get(depth - 1, "Exception")
    classes = {
        name: thing.__bases__[0].__name__
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, errors.RegistryError)
    }
    assert drawn == classes


def test_what_is_exported_is_sorted_and_there() -> None:
    assert symbols.__all__ == sorted(symbols.__all__)
    assert list(symbols.BROKERS) == sorted(symbols.BROKERS)
    for name in symbols.__all__:
        assert hasattr(symbols, name)


def test_the_examples_in_the_docstrings_hold() -> None:
    known = {name: getattr(symbols, name) for name in symbols.__all__}
    known |= {"date": date, "Decimal": Decimal}
    attempted = 0
    for info in pkgutil.iter_modules(symbols.__path__, f"{symbols.__name__}."):
        module = importlib.import_module(info.name)
        result = doctest.testmod(module, extraglobs=known)
        assert result.failed == 0, info.name
        attempted += result.attempted
    result = doctest.testmod(symbols)
    assert result.failed == 0
    assert attempted + result.attempted >= 30


def test_the_examples_of_the_page_hold(project: Path) -> None:
    page = project / "docs" / "symbols.md"
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert (result.failed, result.attempted) == (0, 15)


# Only where they are used: who never connects needs neither.
IN_FUNCTIONS = {"psycopg", "redis"}


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name.partition(".")[0] for name in names)


def test_it_imports_the_standard_library_and_itself_only(project: Path) -> None:
    paths = sorted((project / "instrument_registry").rglob("*.py"))
    assert paths
    for path in paths:
        tree = ast.parse(path.read_text())
        ours = {"instrument_registry", *sys.stdlib_module_names}
        assert set(_imports(ast.walk(tree))) <= ours | IN_FUNCTIONS, path
        guarded = [node for node in tree.body if not isinstance(node, ast.If)]
        assert set(_imports(guarded)) <= ours, path


def test_importing_it_brings_in_nothing_else(project: Path) -> None:
    code = (
        "import sys; before = set(sys.modules); import instrument_registry.registry;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(project)!r});{code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "['instrument_registry']"
