"""Servers that refuse, die or are not what they seem: the old state stays whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import redis

from exporters.destination import export
from exporters.errors import DestinationRefused, DestinationUnavailable, VerificationError
from exporters.redis import RedisHashes
from tests.exporters.redis.published_rows import Warehouse, contents, many, option, published
from tests.exporters.redis.servers import Relay, StartRedis, free_port

SECRET = "hunter2"


@contextmanager
def exporter(warehouse: Warehouse, relay: Relay) -> Iterator[subprocess.Popen[str]]:
    """An export in a process of its own, through the relay."""
    with subprocess.Popen(
        [sys.executable, "-m", "exporters.redis", "--database-url", warehouse.dsn,
         "--redis-url", f"redis://127.0.0.1:{relay.port}"],
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def test_a_password_opens_a_protected_server(warehouse: Warehouse, start_redis: StartRedis) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    server = start_redis("--requirepass", SECRET)
    url = server.url.replace("unix://", f"unix://:{SECRET}@")

    export(RedisHashes(url, warehouse.connection))

    assert contents(url) == published(warehouse, 1)


@pytest.mark.parametrize("login", ["", ":another@", "nobody:another@"])
def test_a_login_that_is_not_accepted_is_told_without_the_password(
    warehouse: Warehouse, start_redis: StartRedis, login: str
) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    server = start_redis("--requirepass", SECRET)

    with pytest.raises(DestinationRefused, match="REDIS_URL") as caught:
        export(RedisHashes(server.url.replace("unix://", f"unix://{login}"), warehouse.connection))
    assert "another" not in str(caught.value)


@pytest.mark.parametrize(
    "rights",
    [
        "-hset",
        "-del",
        "-publish",
        "resetkeys ~instrument:*",
        "resetchannels",
        "-hgetall",
        "-scan",
        "-multi",
    ],
)
def test_a_user_without_a_right_changes_nothing(
    warehouse: Warehouse, start_redis: StartRedis, rights: str
) -> None:
    warehouse.publish(1, many(range(1000, 1300)))
    server = start_redis()
    export(RedisHashes(server.url, warehouse.connection))
    before = contents(server.url)
    warehouse.publish(2, {**many(range(1005, 1305)), 1100: option(1100, name="GAIL")})
    with redis.Redis.from_url(server.url) as client:
        base = ("on", f">{SECRET}", "~*", "&*", "+@all")
        client.execute_command("ACL", "SETUSER", "exporter", *base, *rights.split())

    with pytest.raises(DestinationRefused, match=r"NOPERM|permission") as caught:
        export(
            RedisHashes(
                server.url.replace("unix://", f"unix://exporter:{SECRET}@"), warehouse.connection
            )
        )

    assert SECRET not in str(caught.value)
    assert contents(server.url) == before


def test_a_user_may_lack_the_right_to_ask_for_information(
    warehouse: Warehouse, start_redis: StartRedis
) -> None:
    warehouse.publish(1, many(range(1000, 1300)))
    server = start_redis()
    with redis.Redis.from_url(server.url) as client:
        client.execute_command(
            "ACL", "SETUSER", "exporter", "on", f">{SECRET}", "~instrument:*",
            "~instruments:publication", "resetchannels", "&instruments:updated", "+@all", "-info",
        )  # fmt: skip
    url = server.url.replace("unix://", f"unix://exporter:{SECRET}@")

    export(RedisHashes(url, warehouse.connection, 5000))
    export(RedisHashes(url, warehouse.connection))

    assert contents(server.url) == published(warehouse, 1)
    assert export(RedisHashes(url, warehouse.connection)).status == "unchanged"


@pytest.mark.parametrize("state", ["filled", "empty"])
def test_a_read_only_replica_is_told(
    warehouse: Warehouse, start_redis: StartRedis, state: str
) -> None:
    warehouse.publish(1, many(range(1000, 1300)))
    server = start_redis()
    if state == "filled":
        export(RedisHashes(server.url, warehouse.connection))
        warehouse.publish(2, many(range(1000, 1301)))
    before = contents(server.url)
    with redis.Redis.from_url(server.url) as client:
        client.replicaof("127.0.0.1", str(free_port()))

    with pytest.raises(DestinationUnavailable, match=r"READONLY.*point REDIS_URL at the primary"):
        export(RedisHashes(server.url, warehouse.connection))
    assert contents(server.url) == before


@pytest.mark.parametrize("state", ["filled", "empty"])
def test_a_full_memory_leaves_the_old_state_whole(
    warehouse: Warehouse, start_redis: StartRedis, state: str
) -> None:
    server = start_redis("--maxmemory-policy", "noeviction")
    warehouse.publish(1, many(range(1000, 4000)))
    if state == "filled":
        export(RedisHashes(server.url, warehouse.connection))
        warehouse.publish(2, {n: option(n, name="GAIL") for n in range(2000, 8000)})
    before = contents(server.url)
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 300_000)

    with pytest.raises(DestinationUnavailable, match=r"OOM.*maxmemory.*whole"):
        export(RedisHashes(server.url, warehouse.connection))
    assert contents(server.url) == before

    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 0)
    export(RedisHashes(server.url, warehouse.connection))
    assert contents(server.url) == published(warehouse, 1 + (state == "filled"))


def test_a_server_that_evicts_keys_does_not_verify(
    warehouse: Warehouse, start_redis: StartRedis
) -> None:
    server = start_redis("--maxmemory-policy", "allkeys-random")
    warehouse.publish(1, many(range(1000, 9000)))
    destination = RedisHashes(server.url, warehouse.connection)
    plan = destination.plan()
    destination.apply(plan)
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 300_000)
        client.set("theirs", "x")

    with pytest.raises(VerificationError, match=r"lacks \d+ keys.*maxmemory-policy"):
        destination.verify()


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_nobody_answers(warehouse: Warehouse, scheme: str) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    url = f"{scheme}://user:{SECRET}@127.0.0.1:{free_port()}"

    with pytest.raises(
        DestinationUnavailable, match=r"out of reach.*Nothing was written"
    ) as caught:
        export(RedisHashes(url, warehouse.connection))
    assert SECRET not in str(caught.value)
    assert f"{scheme}://user:***@127.0.0.1" in str(caught.value)


def test_a_connection_that_breaks_in_mid_write_leaves_the_old_state_whole(
    warehouse: Warehouse, start_redis: StartRedis
) -> None:
    server = start_redis()
    warehouse.publish(1, many(range(1000, 3000)))
    export(RedisHashes(server.url, warehouse.connection))
    before = contents(server.url)
    warehouse.publish(2, {n: option(n, name="GAIL") for n in range(2000, 8000)})
    destination = RedisHashes(server.url, warehouse.connection)
    plan = destination.plan()

    with Relay(server.socket, stop_after=500_000) as relay:
        relay.is_cutting = True
        broken = RedisHashes(f"redis://127.0.0.1:{relay.port}", warehouse.connection)
        with pytest.raises(DestinationUnavailable, match="the state before this export or after"):
            broken.apply(plan)

    assert contents(server.url) == before
    destination.apply(plan)
    assert contents(server.url) == published(warehouse, 2)


def test_a_server_that_falls_silent_is_given_up(
    warehouse: Warehouse, start_redis: StartRedis
) -> None:
    server = start_redis()
    warehouse.publish(1, many(range(1000, 8000)))
    with Relay(server.socket, stop_after=500_000) as relay:
        url = f"redis://127.0.0.1:{relay.port}?socket_timeout=0.3"
        with pytest.raises(DestinationUnavailable, match=r"silent for 0\.3 s"):
            export(RedisHashes(url, warehouse.connection))
    assert contents(server.url) == {}


def test_a_killed_exporter_leaves_the_old_state_whole(
    warehouse: Warehouse, start_redis: StartRedis
) -> None:
    server = start_redis()
    warehouse.publish(1, many(range(1000, 3000)))
    export(RedisHashes(server.url, warehouse.connection))
    before = contents(server.url)
    warehouse.publish(2, {n: option(n, name="GAIL") for n in range(2000, 8000)})

    with Relay(server.socket, stop_after=800_000) as relay, exporter(warehouse, relay) as process:
        assert relay.stopped.wait(30)
        process.kill()

    assert process.returncode == -signal.SIGKILL
    assert contents(server.url) == before
    export(RedisHashes(server.url, warehouse.connection))
    assert contents(server.url) == published(warehouse, 2)


def test_a_killed_server_comes_back_with_the_old_state_whole(
    warehouse: Warehouse, start_redis: StartRedis
) -> None:
    server = start_redis("--appendonly", "yes", "--appendfsync", "always")
    warehouse.publish(1, many(range(1000, 3000)))
    export(RedisHashes(server.url, warehouse.connection))
    before = contents(server.url)
    warehouse.publish(2, {n: option(n, name="GAIL") for n in range(2000, 8000)})

    with Relay(server.socket, stop_after=800_000) as relay, exporter(warehouse, relay) as process:
        assert relay.stopped.wait(30)
        server.kill()
        _, told = process.communicate(timeout=30)

    assert process.returncode == 3, told
    server.restart()
    assert contents(server.url) == before
    export(RedisHashes(server.url, warehouse.connection))
    assert contents(server.url) == published(warehouse, 2)


def test_postgres_going_away_in_mid_read_leaves_redis_as_it_was(
    warehouse: Warehouse, start_redis: StartRedis
) -> None:
    server = start_redis()
    warehouse.publish(1, many(range(1000, 8000)))
    with psycopg.connect(warehouse.dsn) as doomed:
        destination = RedisHashes(server.url, doomed)
        plan = destination.plan()
        warehouse.connection.execute("select pg_terminate_backend(%s)", (doomed.info.backend_pid,))
        warehouse.connection.commit()
        with pytest.raises(DestinationUnavailable, match="cannot be read from PostgreSQL"):
            destination.apply(plan)
    assert contents(server.url) == {}
