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


SPECIAL = {
    "sec%zzret": ("sec", "zzret"),
    "s3 cret": ("s3", "cret"),
    "hunter/2": ("hunter", "2@"),
    "123/hunter": ("123", "hunter"),
    "hunter@2": ("hunter", "2"),
    "ab@hunter:2": ("ab", "hunter", "2"),
    "sec%00ret": ("sec", "ret"),
    "12/hunter?2": ("12", "hunter", "2@"),
    "4711/?hunter": ("4711", "hunter"),
}


@pytest.mark.parametrize("password", SPECIAL)
def test_a_password_that_breaks_the_url_is_not_shown(password: str) -> None:
    url = f"postgresql://u:{password}@h/d"
    for read in (database.session_dsn, database.redacted):
        with pytest.raises(UsageError, match="percent-encode special characters") as raised:
            read(url)
        assert not any(piece in str(raised.value) for piece in SPECIAL[password])
        assert raised.value.__cause__ is None


@pytest.mark.parametrize("password", ["s3c\u2100ret", "p4ss]w[ord", "hun#ter", "hun?ter", "a%40b"])
def test_a_password_that_libpq_understands_is_taken_but_not_shown(password: str) -> None:
    dsn = database.session_dsn(f"postgresql://u:{password}@h:5433/d")
    assert database.redacted(dsn) == "d at h:5433"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:p@a,b:5433/d", "d at a,b:,5433"),
        ("postgresql://u:p@[::1]:5433/d", "d at ::1:5433"),
        ("postgresql://%2Frun%2Fpg/d", "d at /run/pg"),
        ("postgresql:///d?host=/run/p@g", "d at /run/p@g"),
        ("postgresql://u@/d", "d at localhost"),
    ],
)
def test_where_a_url_points_is_shown(url: str, place: str) -> None:
    assert database.redacted(database.session_dsn(url)) == place
