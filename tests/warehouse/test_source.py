"""What a fetch is told, by where the dump comes from."""

from __future__ import annotations

import pytest

from loader.feeds import KITE
from warehouse.settings import Settings
from warehouse.source import fetch_options

TOKEN = "token key:secret"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("kite", TOKEN),
        (KITE.url, TOKEN),
        ("https://mirror.example/instruments.csv.gz", None),
        ("/tmp/instruments.csv", None),
        ("sample", None),
    ],
)
def test_the_access_token_goes_to_the_broker_alone(
    monkeypatch: pytest.MonkeyPatch, asked: str, given: str | None
) -> None:
    monkeypatch.setenv("KITE_AUTHORIZATION", TOKEN)
    options = fetch_options(Settings(), KITE, asked, "nifty")
    assert options.headers.get("Authorization") == given
    assert options.headers["X-Kite-Version"] == "3"
