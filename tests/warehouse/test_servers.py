"""The embedded servers: real ones, started, found again, stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.installation import until
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


@pytest.mark.parametrize("moment", ["PG_VERSION", "postmaster.pid"])
def test_a_first_start_that_dies_is_begun_anew(home: Path, moment: str, project: Path) -> None:
    """While PostgreSQL's folder is made, and before the database is."""
    starting = subprocess.Popen(
        [sys.executable, "-m", "warehouse", "up"],
        env={**os.environ, "PYTHONPATH": str(project), "WAREHOUSE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    until((home / "postgres" / moment).exists, f"{moment} there")
    starting.kill()
    starting.wait(10)
    assert (home / "postgres.first-start").exists()
    with psycopg.connect(EmbeddedServers(home).postgres_url()) as connection:
        assert connection.info.dbname == "warehouse"
        assert connection.execute("show jit").fetchone() == ("off",)
    assert not (home / "postgres.first-start").exists()


def test_a_home_too_deep_for_a_socket_still_works(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    servers = EmbeddedServers(deep)
    try:
        with redis.Redis.from_url(servers.redis_url()) as client:
            assert client.ping()
        for moment in ("new", "found again", "started again"):
            with psycopg.connect(servers.postgres_url()) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
                socket = Path(connection.info.host) / ".s.PGSQL.5432"
            assert_closed_to_others(socket, servers.postgres_folder)
            if moment == "found again":
                servers.stop()
        assert not socket.is_relative_to(deep)
    finally:
        servers.stop()


def assert_closed_to_others(socket: Path, postgres_folder: Path) -> None:
    for path in (socket.parent, socket):
        assert path.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_uid == postgres_folder.stat().st_uid


def test_the_sockets_are_closed_to_others_in_the_data_folder_too(home: Path) -> None:
    servers = EmbeddedServers(home)
    servers.postgres_url()
    assert_closed_to_others(servers.postgres_folder / ".s.PGSQL.5432", servers.postgres_folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_of_the_machine_does_not_get_in(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    servers = EmbeddedServers(deep)
    try:
        with psycopg.connect(servers.postgres_url()) as connection:
            path = f"{connection.info.host}/.s.PGSQL.5432"
        connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        other = subprocess.run(
            ["/usr/bin/env", "python3", "-c", connect, path],
            user="nobody", cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        servers.stop()
    assert "PermissionError" in other.stderr


def test_a_redis_that_cannot_start_says_why(home: Path) -> None:
    servers = EmbeddedServers(home)
    servers.redis_folder.mkdir(parents=True)
    (servers.redis_folder / "dump.rdb").write_bytes(b"not a snapshot")
    with pytest.raises(ServiceUnavailable, match=r"Redis under .* does not start.*REDIS_URL"):
        servers.redis_url()
