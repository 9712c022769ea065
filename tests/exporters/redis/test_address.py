from __future__ import annotations

import pytest

from exporters.redis.address import is_cluster, redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:pw@localhost", "redis://:***@localhost"),
        ("redis://user:p@ss@localhost/1", "redis://user:***@localhost/1"),
        (
            "rediss://user:pw@host?ssl_password=pw2&db=1",
            "rediss://user:***@host?ssl_password=***&db=1",
        ),
        ("unix:///run/redis.sock?password=pw", "unix:///run/redis.sock?password=***"),
        ("unix://user:pw@/run/redis.sock", "unix://user:***@/run/redis.sock"),
        ("redis+cluster://u:pw@a:1,b:2", "redis+cluster://u:***@a:1,b:2"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_a_cluster_is_told_by_its_scheme() -> None:
    assert is_cluster("redis+cluster://a:1")
    assert is_cluster("rediss+cluster://a:1")
    assert not is_cluster("redis://a:1?name=redis+cluster://")
