"""Every kind of REDIS_URL, with a real server behind it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import redis

from exporters.destination import export
from exporters.errors import DestinationRefused, DestinationUnavailable
from exporters.redis import RedisHashes
from tests.exporters.redis.published_rows import Warehouse, contents, many, published
from tests.exporters.redis.servers import Relay, StartRedis, free_port


def test_tcp_and_a_database_number(warehouse: Warehouse, start_redis: StartRedis) -> None:
    warehouse.publish(1, many(range(1000, 3000)))
    server = start_redis(port=free_port())

    export(RedisHashes(f"{server.url}/3", warehouse.connection, 5000))
    export(RedisHashes(f"{server.url}/3", warehouse.connection))

    assert contents(f"{server.url}/3") == published(warehouse, 1)
    assert contents(f"{server.url}/0") == {}
    with redis.Redis.from_url(f"{server.url}/3") as client:
        assert client.ttl("instrument:1000") == -1


def test_a_unix_socket_and_a_database_number(warehouse: Warehouse, start_redis: StartRedis) -> None:
    warehouse.publish(1, many(range(1000, 1300)))
    server = start_redis()

    export(RedisHashes(f"{server.url}?db=2", warehouse.connection))

    assert contents(f"{server.url}?db=2") == published(warehouse, 1)
    assert contents(server.url) == {}


def tls(certificates: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    return context


def test_tls_with_a_certificate_authority_of_ones_own(
    warehouse: Warehouse, start_redis: StartRedis, certificates: Path
) -> None:
    warehouse.publish(1, many(range(1000, 6000)))
    server = start_redis()
    with Relay(server.socket, tls=tls(certificates)) as relay:
        url = f"rediss://127.0.0.1:{relay.port}/0?ssl_ca_certs={certificates / 'ca.pem'}"

        export(RedisHashes(url, warehouse.connection))
        assert export(RedisHashes(url, warehouse.connection)).status == "unchanged"

    assert contents(server.url) == published(warehouse, 1)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    warehouse: Warehouse, start_redis: StartRedis, certificates: Path
) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    server = start_redis()
    with (
        Relay(server.socket, tls=tls(certificates)) as relay,
        pytest.raises(DestinationUnavailable, match="ssl_ca_certs"),
    ):
        export(RedisHashes(f"rediss://127.0.0.1:{relay.port}", warehouse.connection))
    assert contents(server.url) == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@host",
        "redis://:hunter2@host:port",
        "redis://:hunter2@host/zero",
        "redis://:hunter2@host?db=x",
        "unix://",
        "hunter2",
        "redis+cluster://:hunter2@",
        "redis+cluster://:hunter2@host:1,:2",
        "redis+cluster://:hunter2@host:x",
    ],
)
def test_a_url_that_is_none_is_refused_without_its_password(warehouse: Warehouse, url: str) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    with pytest.raises(DestinationRefused, match="REDIS_URL cannot be understood") as caught:
        export(RedisHashes(url, warehouse.connection))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
