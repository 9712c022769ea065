"""The manifest: what the package's says, and what is wrong in one's own, named with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from instrument_registry.cleanup.errors import ManifestRefused
from instrument_registry.cleanup.manifest import built_in, parse, read
from instrument_registry.cleanup.patterns import compiled, problem
from tests.instrument_registry import old_project

GOOD = b'version = 1\n[[deprecated]]\npatterns = ["a.json"]\nreason = "old"\n'


def test_the_packages_manifest_is_what_the_overview_says() -> None:
    ours = built_in()
    for path in old_project.PROTECTED:
        assert ours.protected_by(path), path
        assert ours.protected_by(f"below/{path}"), path
        assert ours.protected_by(path.upper()), path
    for path in old_project.DEPRECATED:
        assert ours.deprecated_by(path), path
        assert not ours.protected_by(path), path
    for path in ("clickhouse_setup/report.py", "intraday_trading/config/settings.json",
                 "session_tokens_metadata.json", "jsonl/other.json"):  # fmt: skip
        assert ours.deprecated_by(path) is None, path


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("a.json", ["a.json", "x/a.json", "x/y/a.json"], ["aXjson", "a.json/b", "ba.json"]),
        ("*a.json", ["a.json", "x/ba.json", "x\ny/b\na.json"], ["a.json.bak"]),
        ("x/a?", ["x/ab", "x/a\n"], ["x/a", "x/a/b", "y/x/ab", "x/a//"]),
        ("**/x/**", ["x/a", "y/x/a/b"], ["x", "y/x", "xx/a", "yx/a"]),
        ("x/**/a", ["x/a", "x/y/z/a"], ["xa", "x/ya"]),
        ("**", ["a", "a/b"], []),
        ("a+(b).json", ["a+(b).json"], ["aa(b).json"]),
    ],
)
def test_patterns_mean_what_is_said_of_them(pattern, matching, others) -> None:
    matcher = compiled(pattern)
    assert [one for one in matching if not matcher.fullmatch(one)] == []
    assert [one for one in others if matcher.fullmatch(one)] == []


@pytest.mark.parametrize(
    "pattern",
    ["", " ", "/etc/a", "a/", "a//b", "../a", "a/./b", "a\\b", "[ab]", "**a", "a/**b", "a\0b"],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    assert problem(pattern) is not None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"version = 1\nx = ]\n", r"own.toml is no TOML: .*line 2, column 5"),
        (b"\xff", "not UTF-8: byte 0"),
        (b"", "version None; expected 1"),
        (b"version = 2", "version 2; expected 1"),
        (b"version = true", "version True"),
        (b"version = 1", r"has no \[\[deprecated\]\]"),
        (GOOD + b"[[depricated]]\n", "'depricated'; expected version and"),
        (b"version = 1\ndeprecated = 3", "deprecated is 3"),
        (b"version = 1\ndeprecated = [3]", "deprecated is "),
        (GOOD + b'[[deprecated]]\npatterns = ["b"]', r"number 2 \(line 5\): reason is None"),
        (GOOD + b'[[protected]]\nreason = "x"', r"\[\[protected\]\] number 1 \(line 5\): patterns"),
        (GOOD.replace(b"old", b" "), "reason is ' '"),
        (GOOD.replace(b'["a.json"]', b"[]"), "patterns is "),
        (GOOD.replace(b'["a.json"]', b'"a.json"'), "patterns is 'a.json'"),
        (GOOD.replace(b'"a.json"', b"7"), "7 is no text"),
        (GOOD.replace(b"a.json", b"/a.json"), "'/a.json' begins or ends with /"),
        (GOOD.replace(b"a.json", b"**/*"), "is every file"),
        (GOOD.replace(b"a.json", b"**"), "is every file"),
        (GOOD.replace(b"reason", b"why"), "'why'; expected patterns and reason"),
    ],
)
def test_what_is_wrong_in_a_manifest_is_named(tmp_path: Path, text: bytes, named: str) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(text)
    with pytest.raises(ManifestRefused, match=named) as caught:
        read(path)
    assert re.match(re.escape(str(path)), str(caught.value))


def test_a_manifest_of_ones_own_keeps_the_protections_of_the_package(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(GOOD)
    own = read(path)
    assert [rule.pattern for rule in own.deprecated] == ["a.json"]
    assert own.protected == built_in().protected
    assert parse(GOOD, "own").protected == ()
    with pytest.raises(ManifestRefused, match="cannot be read: No such file"):
        read(tmp_path / "absent.toml")
