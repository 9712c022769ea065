from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from warehouse import database
from warehouse.errors import ServiceUnavailable, UsageError


def test_a_direct_connection_passes(postgres_dsn: str) -> None:
    dsn = database.session_dsn(postgres_dsn)
    with psycopg.connect(dsn) as connection:
        database.check_server(connection, dsn)
        assert connection.execute("show jit").fetchone() == ("off",)


def test_options_of_the_url_are_kept(postgres_dsn: str) -> None:
    url = f"{postgres_dsn}&options=-c%20statement_timeout%3D12345&application_name=mine"
    with psycopg.connect(database.session_dsn(url, application="warehouse")) as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("12345ms",)


def test_a_session_that_changes_between_transactions_is_refused(postgres_dsn: str) -> None:
    dsn = database.session_dsn(postgres_dsn)
    with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second:

        class Pooled:
            """Each transaction on another of two server sessions, as a pooler may do."""

            info = first.info

            def __init__(self) -> None:
                self.turn = 0

            def execute(self, *arguments: object) -> psycopg.Cursor:
                return (first, second)[self.turn % 2].execute(*arguments)  # type: ignore[arg-type]

            def commit(self) -> None:
                (first, second)[self.turn % 2].commit()
                self.turn += 1

        with pytest.raises(UsageError, match="transaction-pooling"):
            database.check_server(Pooled(), dsn)  # type: ignore[arg-type]


def test_an_unreachable_server_is_told_without_its_password() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url = f"postgresql://trader:hunter2@127.0.0.1:{port}/warehouse"
    with pytest.raises(ServiceUnavailable) as raised:
        database.connect(database.session_dsn(url))
    assert raised.value.exit_code == 3
    assert f"warehouse at 127.0.0.1:{port}" in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.fixture
def refusing_pooler() -> Iterator[int]:
    """Answers a start-up packet as PgBouncer answers one with session options."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                packet = client.recv(4096)
                if packet[4:8] == b"\x04\xd2\x16\x2f":  # SSLRequest
                    client.sendall(b"N")
                    client.recv(4096)
                words = b"SERROR\0C08P01\0Munsupported startup parameter: options\0\0"
                client.sendall(b"E" + (len(words) + 4).to_bytes(4, "big") + words)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def test_a_pooler_that_refuses_options_is_named(refusing_pooler: int) -> None:
    url = f"postgresql://u@127.0.0.1:{refusing_pooler}/d?gssencmode=disable"
    with pytest.raises(ServiceUnavailable, match="pooler refuses session options"):
        database.connect(database.session_dsn(url))


def test_a_url_that_cannot_be_read_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="DATABASE_URL cannot be read"):
        database.session_dsn("postgresql://h/d?colour=red")
