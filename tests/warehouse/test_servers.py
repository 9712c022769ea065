"""The embedded servers: real ones, started, found again, stopped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from warehouse.errors import ServiceUnavailable
from warehouse.servers import EmbeddedServers


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="iw-"))
    folder.chmod(0o755)
    yield folder / "home"
    EmbeddedServers(folder / "home").stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_both_are_found_again_and_keep_their_data_over_a_stop(home: Path) -> None:
    first, second = EmbeddedServers(home), EmbeddedServers(home)
    url, redis_url = first.postgres_url(), first.redis_url()
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select 1 as value")
    with redis.Redis.from_url(redis_url) as client:
        client.set("kept", "1")
    assert (second.postgres_url(), second.redis_url()) == (url, redis_url)
    assert second.stop() == ["PostgreSQL", "Redis"]
    assert second.stop() == []
    with psycopg.connect(first.postgres_url()) as connection:
        assert connection.execute("select value from kept").fetchone() == (1,)
        assert connection.execute("show jit").fetchone() == ("off",)
    with redis.Redis.from_url(first.redis_url()) as client:
        assert client.get("kept") == b"1"


def test_a_home_too_deep_for_a_socket_still_works(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    servers = EmbeddedServers(deep)
    try:
        with redis.Redis.from_url(servers.redis_url()) as client:
            assert client.ping()
        with psycopg.connect(servers.postgres_url()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        servers.stop()


def test_a_redis_that_cannot_start_says_why(home: Path) -> None:
    servers = EmbeddedServers(home)
    servers.redis_folder.mkdir(parents=True)
    (servers.redis_folder / "dump.rdb").write_bytes(b"not a snapshot")
    with pytest.raises(ServiceUnavailable, match=r"Redis under .* does not start.*REDIS_URL"):
        servers.redis_url()
