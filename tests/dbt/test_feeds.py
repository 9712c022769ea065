"""Which feeds a build has: one environment variable, which each broker's own folder reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.dbt.conftest import Dbt, with_feeds

BROKERS = {"angel_one", "dhan", "upstox"}


def staged_feeds(dbt: Dbt) -> set[str]:
    """The brokers but Kite that have a model, source or test in the project."""
    manifest = dbt.manifest
    resources = [
        *manifest.nodes.values(),
        *manifest.sources.values(),
        *manifest.unit_tests.values(),
    ]
    folders = {Path(found.original_file_path).parent.name for found in resources}
    return folders & BROKERS


@pytest.mark.parametrize(
    ("said", "feeds"),
    [
        ("kite", ["kite"]),
        ("kite,angel_one,dhan,upstox", ["kite", "angel_one", "dhan", "upstox"]),
        (" kite , dhan,", ["kite", "dhan"]),
    ],
)
def test_feeds_are_those_of_the_environment_in_order(dbt: Dbt, said: str, feeds: list[str]) -> None:
    assert replace(dbt, feeds=said).inline("{{ feeds() | join('|') }}").split("|") == feeds


def test_kite_alone_is_the_default(dbt: Dbt) -> None:
    project = dbt.project / "dbt_project"
    macro = (project / "macros" / "feeds.sql").read_text()
    assert macro.count("env_var('WAREHOUSE_FEEDS', 'kite')") == 1
    for path in [project / "dbt_project.yml", *(project / "models").rglob("*.*")]:
        text = path.read_text()
        assert text.count("env_var(") == text.count("env_var('WAREHOUSE_FEEDS', 'kite')"), path


def test_no_file_that_all_brokers_share_switches_one_of_them(dbt: Dbt) -> None:
    """A fifth broker's folder is the only place in which its feed is switched."""
    project = dbt.project / "dbt_project"
    assert not any(name in (project / "dbt_project.yml").read_text() for name in BROKERS)
    for name in BROKERS:
        folder = project / "models" / "staging" / name
        assert f"config(enabled='{name}' in feeds())" in "".join(
            path.read_text() for path in folder.glob("*.sql")
        )


def test_a_feed_that_is_off_has_no_node(dbt: Dbt) -> None:
    assert staged_feeds(dbt) == set()


def test_a_feed_that_is_on_has_its_own_nodes_only(dbt: Dbt, tmp_path: Path) -> None:
    assert staged_feeds(with_feeds(dbt, "kite, dhan", tmp_path)) == {"dhan"}


def test_every_feed_may_be_on(dbt_of_every_feed: Dbt) -> None:
    assert staged_feeds(dbt_of_every_feed) == BROKERS


def test_parsing_every_feed_says_nothing_of_deprecations(dbt_of_every_feed: Dbt) -> None:
    outcome = dbt_of_every_feed.run(
        "--warn-error", "parse", "--no-partial-parse", "--show-all-deprecations"
    )
    assert outcome.success
