"""Which feeds a build has: one environment variable, read by one macro."""

from __future__ import annotations

import pytest

from tests.dbt.conftest import Dbt


@pytest.mark.parametrize(
    ("said", "feeds"),
    [
        (None, ["kite"]),
        ("kite", ["kite"]),
        ("kite,angel_one,dhan,upstox", ["kite", "angel_one", "dhan", "upstox"]),
        (" kite , dhan,", ["kite", "dhan"]),
    ],
)
def test_feeds_are_those_of_the_environment_in_order(
    dbt: Dbt, monkeypatch: pytest.MonkeyPatch, said: str | None, feeds: list[str]
) -> None:
    monkeypatch.delenv("WAREHOUSE_FEEDS", raising=False)
    if said is not None:
        monkeypatch.setenv("WAREHOUSE_FEEDS", said)
    assert dbt.inline("{{ feeds() | join('|') }}").split("|") == feeds
